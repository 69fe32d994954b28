"""Steps of an adapter on a base model, for tests that compare them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from lora_workbench.engine.adapters.inject import Injection, injected
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.core.events import Event
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.training.loop import Trainer
from lora_workbench.engine.training.loss import denoising_loss
from lora_workbench.engine.training.recipe import Recipe
from torch import Tensor

RECIPE = Recipe.of(steps=6, learning_rate=1e-2, rank=2, alpha=2, warmup_steps=0, save_every=4)


class Loss:
    """Of two random latents and two prompts of one length."""

    micro_batches = 1
    parts = ("subject",)

    def __init__(self, base: Backbone) -> None:
        self.base = base
        side = base.info.resolution // base.info.latent_factor
        shape = (2, base.info.latent_channels, side, side)
        self.latents = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(base.device)
        self.conditioning = base.encode_prompts(["a bus", "a bus"])

    def of_micro_batch(self, step: int, micro: int) -> Tensor:
        del micro
        generator = torch.Generator().manual_seed(step)
        return denoising_loss(self.base, self.latents, self.conditioning, RECIPE, generator).mean(dim=0, keepdim=True)


@contextmanager
def adapted(base: Backbone) -> Iterator[Injection]:
    """With an adapter in all layers that has an effect, the same on all devices."""
    targets = {"denoiser": base.info.target_presets["all_layers"]}
    with injected(TRAINED.get("lora"), {"denoiser": base.denoiser}, targets, rank=2, alpha=2, seed=0) as injection:
        for name, parameter in injection.parameters.items():
            if name.endswith(".up"):
                values = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(name)))
                parameter.data.copy_(0.1 * values)
        yield injection


def gradients(base: Backbone, loss: Loss, injection: Injection, step: int = 0) -> dict[str, Tensor]:
    """Of the adapter after one backward pass, on the CPU."""
    for parameter in injection.parameters.values():
        parameter.grad = None
    with base.gradients():
        loss.of_micro_batch(step, 0).backward()
    return {name: p.grad.cpu() for name, p in injection.parameters.items() if p.grad is not None}


def trained(
    base: Backbone, loss: Any, state: Path, plan: AbstractContextManager[Any] | None = None, **options: Any
) -> tuple[Trainer, list[Event], dict[str, Tensor]]:
    """A whole run, under a memory plan: its trainer, its events, and the adapter."""
    with adapted(base) as injection, plan or nullcontext():
        trainer = Trainer(backbone=base, trainee=injection, recipe=RECIPE, loss=loss, state_path=state, **options)
        events = [*trainer.run()]
        return trainer, events, {name: p.detach().cpu() for name, p in injection.parameters.items()}


def close(one: dict[str, Tensor], other: dict[str, Tensor], tolerance: float) -> None:
    """Gradients differ by no more than a share of the largest of their tensor."""
    assert one.keys() == other.keys()
    for name, value in other.items():
        assert (one[name] - value).abs().max() <= tolerance * value.abs().max() + 1e-7, name

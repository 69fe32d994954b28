"""Training steps of base models: ours under every memory plan, beside diffusers' scripts with peft.

    python benchmarks/gpu/training.py FAMILY... --out rows.json [--device cuda] [--side 1024] [--rank 16] [--steps 8]

One cached latent and prompt, the same attention layers adapted, AdamW. Theirs is what diffusers' training scripts do:
peft's layers, trainable weights in float32, autocast to bf16, and the loss read at each step; the base model is called
in the same way. Each row has the median milliseconds of a step and the largest memory, weights included. For ours, it
has what ``engine/memory/counting.py`` foretells, too.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from lora_workbench.engine.adapters.inject import injected
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.core.devices import is_out_of_memory
from lora_workbench.engine.core.events import StepDone
from lora_workbench.engine.memory.blocks import blocks_of
from lora_workbench.engine.memory.checkpointing import checkpointed
from lora_workbench.engine.memory.compiling import compiled
from lora_workbench.engine.memory.counting import counted
from lora_workbench.engine.memory.streaming import streamed
from lora_workbench.engine.models.contract import Backbone, Conditioning
from lora_workbench.engine.training.loop import Trainer
from lora_workbench.engine.training.loss import denoising_loss
from lora_workbench.engine.training.recipe import Recipe
from models import SIZES, made
from torch import Tensor
from torch.nn import functional

Step = Callable[[], Any]


class Loss:
    """Of one latent, with new noise in every step."""

    micro_batches = 1
    parts = ("subject",)

    def __init__(self, base: Backbone, latents: Tensor, conditioning: Conditioning, recipe: Recipe) -> None:
        self._base, self._latents, self._conditioning, self._recipe = base, latents, conditioning, recipe

    def of_micro_batch(self, step: int, micro: int) -> Tensor:
        del micro
        generator = torch.Generator().manual_seed(step)
        return denoising_loss(self._base, self._latents, self._conditioning, self._recipe, generator).mean(
            dim=0, keepdim=True
        )


@contextlib.contextmanager
def ours(
    base: Backbone, latents: Tensor, conditioning: Conditioning, rank: int, plan: str
) -> Iterator[tuple[Step, Step | None]]:
    """(a step of the trainer's own loop, its forward and backward pass alone to be counted)."""
    recipe = Recipe.of(rank=rank, alpha=rank, steps=1000, resolution=1024)
    loss = Loss(base, latents, conditioning, recipe)
    blocks = [*blocks_of(base.denoiser).values()]
    plans = {
        "": contextlib.nullcontext, "checkpointed": lambda: checkpointed(blocks),
        "streamed": lambda: streamed(blocks, base.device), "compiled": lambda: compiled(blocks, base.device),
    }  # fmt: skip
    targets = {"denoiser": base.info.target_presets["attention"]}
    adapter = injected(TRAINED.get("lora"), {"denoiser": base.denoiser}, targets, rank=rank, alpha=rank, seed=0)

    def passes() -> None:
        with base.gradients():
            loss.of_micro_batch(0, 0).backward()

    with tempfile.TemporaryDirectory() as folder, adapter as injection, plans[plan]():
        trainer = Trainer(
            backbone=base, trainee=injection, recipe=recipe, loss=loss, state_path=Path(folder) / "state.safetensors"
        )
        with contextlib.closing(trainer.run()) as events:
            counts = None if plan == "compiled" else passes  # compiled code runs on no fake tensors
            yield lambda: next(event for event in events if isinstance(event, StepDone)), counts
        for parameter in injection.parameters.values():
            parameter.grad = None


@contextlib.contextmanager
def theirs(
    base: Backbone, latents: Tensor, conditioning: Conditioning, rank: int, plan: str
) -> Iterator[tuple[Step, None]]:
    """A step as diffusers' scripts write it."""
    from peft import LoraConfig

    model: Any = base.denoiser
    targets = [suffix.removeprefix("denoiser.") for suffix in base.info.target_presets["attention"]]
    model.add_adapter(LoraConfig(r=rank, lora_alpha=rank, init_lora_weights="gaussian", target_modules=targets))
    parameters = [p for p in model.parameters() if p.requires_grad]
    for parameter in parameters:
        parameter.data = parameter.data.float()
    optimizer = torch.optim.AdamW(parameters, lr=1e-4, weight_decay=1e-2)
    if plan:
        model.enable_gradient_checkpointing()

    def step() -> float:
        noise = torch.randn_like(latents)
        level = base.timesteps(torch.rand(len(latents)))
        alpha, sigma = (factor.view(-1, 1, 1, 1) for factor in (level.alpha, level.sigma))
        with torch.autocast(base.device.type, torch.bfloat16, enabled=base.device.type != "cpu"):
            predicted = base.predict(alpha * latents + sigma * noise, level.t, conditioning)
        loss = functional.mse_loss(predicted.float(), noise - latents if base.info.shift else noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    try:
        yield step, None
    finally:
        if plan:
            model.disable_gradient_checkpointing()
        model.delete_adapters("default")


WAYS = {
    "ours": (ours, ("", "compiled", "checkpointed", "streamed")),
    "diffusers with peft": (theirs, ("", "checkpointed")),
}


def measured(step: Step, steps: int, device: str) -> dict[str, float]:
    """Median milliseconds of a step after two that don't count, and gigabytes at most."""
    for _ in range(2):
        step()
    if device == "cuda":
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    seconds = []
    for _ in range(steps):
        began = time.perf_counter()
        step()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    found = {"milliseconds": 1e3 * statistics.median(seconds)}
    return found | ({"gigabytes": torch.cuda.max_memory_allocated() / 1e9} if device == "cuda" else {})


def row(way: Any, base: Backbone, given: tuple[Any, ...], plan: str, args: argparse.Namespace) -> dict[str, Any]:
    """One measurement, or why there is none."""
    result: dict[str, Any] = {}
    try:
        with way(base, *given, args.rank, plan) as (step, passes):
            result = measured(step, args.steps, args.device)
            if passes is not None:
                lying = torch.cuda.memory_allocated() if args.device == "cuda" else 0
                result["counted_gigabytes"] = (counted(lambda _: passes()).peak + lying) / 1e9
    except Exception as error:
        result["error"] = "out of memory" if is_out_of_memory(error) else f"{type(error).__name__}: {error}"[:300]
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("families", nargs="+", choices=SIZES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--side", type=int, default=1024, help="pixels")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--steps", type=int, default=8)
    args = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for family in args.families:
        for found in rows_of(family, args):
            rows.append(found)
            args.out.write_text(json.dumps(rows), encoding="utf-8")


def rows_of(family: str, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One for each program and plan."""
    base, *given = made(family, args.device, args.side)
    for program, (way, plans) in WAYS.items():
        for plan in plans:
            if plan == "compiled" and args.device == "cpu":
                continue  # minutes for the tests of this script
            found = row(way, base, tuple(given), plan, args)
            yield {"model": SIZES[family].title, "program": program, "plan": plan or "all kept", **found}
            gc.collect()
            if args.device == "cuda":
                torch.cuda.empty_cache()


if __name__ == "__main__":
    main()

"""Contrastive guidance: the formula, its gradients, and where its unconditional prediction comes from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from lora_workbench.engine.adapters.inject import injected
from lora_workbench.engine.adapters.kinds import KINDS
from lora_workbench.engine.core.events import StepDone
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.diffusion.noise import add_noise, gaussian_noise
from lora_workbench.engine.diffusion.prediction import target
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone, Conditioning
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.contrastive import guided_target, with_prompt
from lora_workbench.engine.training.loss import denoising_loss
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

RECIPE = Recipe.of(contrastive_guidance=3.5, snr_gamma=0.0, rank=2, alpha=2, warmup_steps=0, steps=3, batch_size=2)


@pytest.fixture(scope="module")
def base(tiny_sd1: Any) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu")


@pytest.fixture(scope="module")
def latents(base: Backbone) -> torch.Tensor:
    return torch.randn(2, base.info.latent_channels, 8, 8, generator=torch.Generator().manual_seed(1))


def test_the_target_is_guided(base: Backbone, latents: torch.Tensor) -> None:
    with torch.no_grad():
        conditioning, empty = base.encode_prompts(["a fox", "an owl"]), base.encode_prompts(["", ""])
        found = denoising_loss(base, latents, conditioning, RECIPE, torch.Generator().manual_seed(2), empty=empty)
        generator = torch.Generator().manual_seed(2)
        noise = gaussian_noise(latents.shape, generator, offset=0.0)
        u = torch.rand(2, generator=generator)
        levels = base.timesteps(u)
        x_t = add_noise(latents, noise, levels.alpha, levels.sigma)
        without = base.predict(x_t, levels.t, base.encode_prompts(["", ""]))
        plain = target(base.info.prediction_type, latents, noise, levels.alpha, levels.sigma)
        wanted = without + 3.5 * (plain - without)
        expected = (base.predict(x_t, levels.t, conditioning) - wanted).square().mean((1, 2, 3))
    torch.testing.assert_close(found, expected)
    assert torch.equal(guided_target(plain, without, 0.0), without)
    torch.testing.assert_close(guided_target(plain, without, 1.0), plain)


def test_the_unconditional_prediction_has_the_adapter_and_no_gradients(
    base: Backbone, latents: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    predict = type(base).predict

    def watched(self: Backbone, x_t: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        seen.append(predict(self, x_t, t, conditioning))
        return seen[-1]

    monkeypatch.setattr(type(base), "predict", watched)
    conditioning, empty = (Conditioning(base.encode_prompts(p)) for p in (["a fox", "an owl"], ["", ""]))
    targets = {"denoiser": base.info.target_presets["attention"]}

    def losses() -> torch.Tensor:
        return denoising_loss(base, latents, conditioning, RECIPE, torch.Generator().manual_seed(2), empty=empty)

    losses()
    with injected(KINDS.get("lora"), {"denoiser": base.denoiser}, targets, rank=2, alpha=2, seed=0) as injection:
        for parameter in injection.parameters.values():
            parameter.data.normal_(std=0.1, generator=torch.Generator().manual_seed(parameter.numel()))
        losses().sum().backward()
        assert all(parameter.grad is not None for parameter in injection.parameters.values())
    bare, _, unconditional, conditional = seen
    assert not unconditional.requires_grad and conditional.requires_grad
    assert not torch.allclose(bare, unconditional)


def test_what_the_sample_has_beside_its_prompt_is_kept() -> None:
    empty = Conditioning(states=torch.zeros(2, 3, 4), lengths=torch.tensor([3, 3]))
    given = Conditioning(
        states=torch.ones(2, 5, 4), lengths=torch.tensor([5, 5]), reference=torch.ones(2, 1), guidance=torch.ones(2)
    )
    found = with_prompt(empty, given)
    assert found["states"].shape == (2, 3, 4) and not found["states"].any()
    assert found["lengths"].tolist() == [3, 3]
    assert torch.equal(found["reference"], given["reference"]) and torch.equal(found["guidance"], given["guidance"])


def test_models_that_take_guidance_are_told_that_of_the_target(
    base: Backbone, latents: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []

    def predict(x_t: torch.Tensor, t: torch.Tensor, conditioning: Conditioning) -> torch.Tensor:
        told.append(conditioning["guidance"].tolist())
        return x_t

    monkeypatch.setattr(base, "info", replace(base.info, capabilities=frozenset({"guidance_input"})))
    monkeypatch.setattr(base, "predict", predict)
    given = Conditioning(states=torch.ones(2, 5, 4))
    for empty, scale in ((None, 1.0), (given, 3.5)):
        recipe = RECIPE.changed(contrastive_guidance=scale)
        denoising_loss(base, latents, given, recipe, torch.Generator().manual_seed(0), empty=empty)
    assert told == [[1.0, 1.0], [3.5, 3.5], [3.5, 3.5]]


@pytest.mark.parametrize("text_encoder", [False, True])
def test_a_run_has_it_as_a_setting(base: Backbone, tmp_path: Any, text_encoder: bool) -> None:
    dataset = dataset_from_images([Image.new("RGB", (32, 32), "red")] * 2, ["a fox", "an owl"], "red")

    def losses(**changes: Any) -> list[float]:
        recipe = RECIPE.changed(train_text_encoder=text_encoder, **changes)
        store = RunStore(tmp_path)
        events = train_adapter(base, dataset, recipe, seed=1, store=store, name="x")
        return [event.loss for event in events if isinstance(event, StepDone)]

    assert losses()[0] > 2 * losses(contrastive_guidance=1.0)[0]
    assert not losses(), "both are kept under keys of their own"

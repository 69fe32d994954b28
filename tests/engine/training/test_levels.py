"""A recipe's noise levels on base models: what is drawn, what is told of it, and which runs share a key."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.diffusion.noise_levels import NoiseLevels
from lora_workbench.engine.diffusion.shift import Shift, shifted
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.key import Run
from lora_workbench.engine.training.levels import levels_report, trained_levels, usual_tokens
from lora_workbench.engine.training.loss import denoising_loss
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image
from tiny import save_tiny_flux1

SHARES = [0.1, 0.5, 0.9]


@pytest.fixture(scope="module")
def flow(tmp_path_factory) -> Backbone:
    return registry.load_base(save_tiny_flux1(tmp_path_factory.mktemp("flux1")), device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def epsilon(tiny_sd1) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu", precision="fp32")


def levels(base: Backbone, **settings: Any) -> NoiseLevels:
    return trained_levels(Recipe.of(**settings).noise, base.info)


@pytest.mark.parametrize(
    ("settings", "factor"),
    [
        ({}, 1.0),
        ({"noise_shift": "fixed", "shift_factor": 2.5}, 2.5),
        ({"noise_shift": "resolution"}, math.exp(1.15)),
        ({"noise_shift": "model"}, 6.0),
    ],
)
def test_a_recipe_chooses_the_shift_of_a_flow_model(flow, settings, factor):
    info = replace(flow.info, shift=Shift.fixed(6.0))
    made = trained_levels(Recipe.of(**settings).noise, info)
    drawn = made.draw(10_000, torch.Generator().manual_seed(0), tokens=4096)
    assert torch.allclose(torch.quantile(drawn, torch.tensor(SHARES)), shifted(torch.tensor(SHARES), factor), atol=0.02)


def test_a_shift_has_no_part_in_models_that_have_timesteps(epsilon):
    for settings in ({"noise_shift": "fixed"}, {"noise_shift": "resolution"}, {"noise_shift": "model"}):
        assert levels(epsilon, **settings) == NoiseLevels()
    half = levels(epsilon, sigma_min=0.25, sigma_max=0.5).draw(1000, torch.Generator().manual_seed(0), tokens=1)
    timesteps = epsilon.timesteps(half).t
    assert 250 <= timesteps.min() < 260 and 490 < timesteps.max() <= 500


def test_the_loss_is_that_of_the_levels_of_the_recipe(flow):
    """The same noise and levels by hand: the generator draws the noise first."""
    x0 = torch.randn(3, flow.info.latent_channels, 8, 8, generator=torch.Generator().manual_seed(1))
    prompts = flow.encode_prompts(["a", "b", "c"])
    recipe = Recipe.of(timestep_distribution="logit_normal", noise_shift="resolution", sigma_max=0.4)
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(x0.shape, generator=generator)
    mu = 0.5 + (16 - 256) * (1.15 - 0.5) / (4096 - 256)
    sigma = 0.4 * shifted(torch.sigmoid(torch.randn(3, generator=generator)), math.exp(mu))
    with torch.no_grad():
        found = denoising_loss(flow, x0, prompts, recipe, torch.Generator().manual_seed(2))
        x_t = torch.lerp(x0, noise, sigma.reshape(-1, 1, 1, 1))
        expected = (flow.predict(x_t, sigma, prompts) - (noise - x0)).square().mean(dim=(1, 2, 3))
    torch.testing.assert_close(found, expected)


def test_larger_pictures_are_shifted_more_within_one_run(flow):
    made = levels(flow, noise_shift="resolution")
    medians = [made.quantiles([0.5], tokens=tokens).item() for tokens in (256, 1024, 4096)]
    assert medians == sorted(medians) and medians[-1] - medians[0] > 0.1


def run(base: Backbone, **settings: Any) -> str:
    dataset = dataset_from_images([Image.new("RGB", (32, 32), "red")], ["a"], "red")
    return Run(base=base, dataset=dataset, recipe=Recipe.of(**settings), regularization=None, seed=0).lineage


def test_the_shift_counts_in_the_key_of_flow_runs_alone(flow, epsilon, monkeypatch):
    assert len({run(flow, noise_shift=shift) for shift in ("none", "fixed", "resolution", "model")}) == 4
    assert len({run(epsilon, noise_shift=shift) for shift in ("none", "fixed", "resolution", "model")}) == 1
    before = [run(flow, noise_shift=shift) for shift in ("none", "fixed", "resolution", "model")]
    monkeypatch.setattr(flow, "info", replace(flow.info, shift=Shift.fixed(6.0)))
    after = [run(flow, noise_shift=shift) for shift in ("none", "fixed", "resolution", "model")]
    assert [a == b for a, b in zip(before, after, strict=True)] == [True, True, True, False]


def test_levels_are_told_in_words_and_as_plain_values(flow):
    made = levels(flow, timestep_distribution="logit_normal", noise_shift="fixed", shift_factor=3.0)
    assert made.in_words(tokens=4096) == "a tenth of the steps below 0.45, half below 0.75, a tenth above 0.92"
    report = levels_report(made, 4096)
    assert report["deciles"] == sorted(report["deciles"]) and len(report["deciles"]) == 9
    assert report["deciles"][4] == pytest.approx(0.75)
    assert report["share_below_0.45"] == pytest.approx(0.097, abs=0.01)
    assert report["shift"] == pytest.approx(3.0)


def test_tokens_are_those_of_the_most_common_size(flow):
    pictures = dataset_from_images([Image.new("RGB", (64, 64), "red")] * 3, ["a"] * 3, "red")
    assert usual_tokens(Recipe.of(resolution=64), pictures, flow.info) == 16**2
    assert usual_tokens(Recipe(), pictures, replace(flow.info, resolution=32)) == 8**2

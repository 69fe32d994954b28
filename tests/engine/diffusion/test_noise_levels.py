"""Noise levels against the published formulas of their distributions, and the order of shift and range."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from diffusers.training_utils import compute_density_for_timestep_sampling
from lora_workbench.engine.diffusion.noise_levels import DISTRIBUTIONS, STEEPEST_MODE, NoiseLevels
from lora_workbench.engine.diffusion.shift import Shift, shifted

SHARES = torch.tensor([0.1, 0.25, 0.5, 0.75, 0.9])
LEVELS = torch.linspace(0, 1, 20_001, dtype=torch.float64)


def drawn(count: int = 10_000, tokens: float = 4096, **settings: Any) -> torch.Tensor:
    return NoiseLevels(**settings).draw(count, torch.Generator().manual_seed(0), tokens=tokens)


def of_density(density: torch.Tensor) -> torch.Tensor:
    """The quantiles of a published density, given at ``LEVELS`` up to a factor, by summing it up."""
    below = torch.cumsum(density, 0) - density / 2
    return LEVELS[torch.searchsorted(below / density.sum(), SHARES.double())].float()


def logit_normal_density(mean: float, std: float) -> torch.Tensor:
    """arXiv:2403.03206, eq. 19."""
    t = LEVELS.clamp(1e-9, 1 - 1e-9)
    density = torch.exp(-((torch.logit(t) - mean) ** 2) / (2 * std**2)) / (t * (1 - t))
    return density / (std * math.sqrt(2 * math.pi))


PUBLISHED = {
    "uniform": ({}, torch.ones_like(LEVELS)),
    "logit_normal": ({}, logit_normal_density(0, 1)),
    "logit_normal, noisier": ({"logit_mean": 0.5, "logit_std": 0.6}, logit_normal_density(0.5, 0.6)),
    "logit_normal, wide": ({"logit_mean": -1.0, "logit_std": 2.0}, logit_normal_density(-1, 2)),
    "cosmap": ({}, 2 / (math.pi - 2 * math.pi * LEVELS + 2 * math.pi * LEVELS**2)),
    "inverted_parabola": ({}, (2 - 7.7 * (LEVELS - 0.5) ** 2).clamp(min=0)),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_levels_have_the_quantiles_of_the_published_density(name: str):
    settings, density = PUBLISHED[name]
    settings = {"distribution": name.split(",")[0], **settings}
    expected = of_density(density)
    assert torch.allclose(torch.quantile(drawn(**settings), SHARES), expected, atol=0.02)
    assert torch.allclose(NoiseLevels(**settings).quantiles(SHARES, tokens=1).float(), expected, atol=1e-3)


@pytest.mark.parametrize("scale", [-1.0, 0.0, 0.81, 1.29, 1.75])
def test_mode_has_the_quantiles_of_diffusers(scale: float):
    theirs = compute_density_for_timestep_sampling(
        "mode", 200_000, mode_scale=scale, generator=torch.Generator().manual_seed(1)
    )
    expected = torch.quantile(theirs, SHARES)
    settings: dict[str, Any] = {"distribution": "mode", "mode_scale": scale}
    assert torch.allclose(torch.quantile(drawn(**settings), SHARES), expected, atol=0.02)
    assert torch.allclose(NoiseLevels(**settings).quantiles(SHARES, tokens=1).float(), expected, atol=5e-3)


@pytest.mark.parametrize("name", DISTRIBUTIONS.names())
def test_levels_rise_with_the_share_and_stay_in_their_range(name: str):
    steepest = NoiseLevels(distribution=name, mode_scale=STEEPEST_MODE, shift=Shift.fixed(3.0), highest=0.4)
    levels = steepest.quantiles(torch.linspace(0, 1, 1001)[:-1], tokens=1)
    assert levels.diff().min() >= 0
    assert levels.min() >= 0 and levels.max() <= 0.4 + 1e-6


@pytest.mark.parametrize("name", DISTRIBUTIONS.names())
def test_levels_are_repeatable_and_of_single_precision(name: str):
    first, again = drawn(distribution=name), drawn(distribution=name)
    assert torch.equal(first, again)
    assert first.dtype == torch.float32
    assert first.min() >= 0 and first.max() <= 1


def test_without_shift_and_range_levels_are_the_random_numbers_themselves():
    """To the bit, so that runs of earlier versions keep their results."""
    assert torch.equal(drawn(), torch.rand(10_000, generator=torch.Generator().manual_seed(0)))
    normal = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    expected = torch.sigmoid(0.5 + 0.7 * normal)
    assert torch.equal(drawn(distribution="logit_normal", logit_mean=0.5, logit_std=0.7), expected)


def test_a_shift_follows_the_distribution_and_the_range_follows_the_shift():
    """musubi-tuner's order: t = sigmoid(z), t = t s / (1 + (s - 1) t), t = t (t_max - t_min) + t_min."""
    levels = drawn(distribution="logit_normal", shift=Shift.fixed(3.0), lowest=0.1, highest=0.4)
    normal = torch.randn(10_000, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(levels, 0.1 + 0.3 * shifted(torch.sigmoid(normal), 3.0), atol=1e-6)


def test_a_shift_by_size_depends_on_the_tokens():
    small, large = (drawn(shift=Shift.by_tokens(), tokens=tokens).median().item() for tokens in (256, 4096))
    assert small == pytest.approx(torch.sigmoid(torch.tensor(0.5)).item(), abs=0.02)
    assert large == pytest.approx(torch.sigmoid(torch.tensor(1.15)).item(), abs=0.02)


def test_the_share_below_a_level():
    levels = NoiseLevels(shift=Shift.fixed(7.5))
    assert levels.share_below(0.45, tokens=1) == pytest.approx(shifted(0.45, 1 / 7.5), abs=0.001)
    assert NoiseLevels(highest=0.4).share_below(0.45, tokens=1) == 1

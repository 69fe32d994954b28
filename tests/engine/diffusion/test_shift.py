"""Shifts of noise levels against those of diffusers' schedulers and pipelines."""

from __future__ import annotations

import math

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from diffusers.pipelines.flux.pipeline_flux import calculate_shift
from diffusers.pipelines.flux2.pipeline_flux2 import compute_empirical_mu
from diffusers.pipelines.ideogram4.pipeline_ideogram4 import _resolution_aware_mu
from lora_workbench.engine.diffusion.shift import Shift, shifted

LEVELS = torch.linspace(0.01, 0.99, 99)
TOKENS = (64, 256, 1024, 4096, 4301, 16384)


def test_by_default_nothing_is_shifted():
    assert torch.allclose(Shift().apply(LEVELS, 4096), LEVELS)
    assert not Shift().depends_on_size


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0, 12.0])
def test_a_fixed_shift_is_that_of_the_scheduler(factor: float):
    scheduler = FlowMatchEulerDiscreteScheduler(shift=factor)
    sigmas = torch.linspace(1, 1000, 1000).flip(0) / 1000
    shift = Shift.of_scheduler(scheduler.config)
    assert torch.allclose(shift.apply(sigmas, 1024), scheduler.sigmas, atol=1e-6)
    assert shift == Shift.fixed(factor)


@pytest.mark.parametrize("tokens", TOKENS)
@pytest.mark.parametrize(
    "own",
    [
        {},
        {"base_shift": 0.5, "max_shift": 0.9, "base_image_seq_len": 256, "max_image_seq_len": 8192},
    ],
    ids=["flux1", "qwen_image"],
)
def test_a_shift_by_size_is_that_of_the_scheduler(own: dict[str, float], tokens: int):
    scheduler = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, **own)
    shift = Shift.of_scheduler(scheduler.config)
    config = scheduler.config
    mu = calculate_shift(
        tokens, config.base_image_seq_len, config.max_image_seq_len, config.base_shift, config.max_shift
    )
    assert shift.mu(tokens) == pytest.approx(mu, rel=1e-6)
    assert torch.allclose(shift.apply(LEVELS, tokens), scheduler.time_shift(mu, 1.0, LEVELS), atol=1e-6)
    assert shift.depends_on_size


@pytest.mark.parametrize("steps", [4, 10, 28, 50, 200])
@pytest.mark.parametrize("tokens", TOKENS)
def test_the_shift_of_flux2_is_that_of_its_pipeline(tokens: int, steps: int):
    assert Shift.flux2(steps).mu(tokens) == pytest.approx(compute_empirical_mu(tokens, steps), rel=1e-6)


@pytest.mark.parametrize("side", [512, 768, 1024])
def test_the_shift_of_ideogram_4_is_that_of_its_pipeline(side: int):
    mu = _resolution_aware_mu(side, side, 0.0)
    assert Shift.by_side(plain=(512 // 16) ** 2).mu((side // 16) ** 2) == pytest.approx(mu, abs=1e-9)


def test_a_scheduler_that_shifts_in_another_way_is_refused():
    with pytest.raises(ValueError, match="time_shift_type 'linear'"):
        Shift.of_scheduler({"use_dynamic_shifting": True, "time_shift_type": "linear"})


def test_the_inverse_factor_undoes_a_shift_and_two_shifts_are_one():
    assert torch.allclose(shifted(shifted(LEVELS, 3.0), 1 / 3), LEVELS, atol=1e-6)
    assert torch.allclose(shifted(shifted(LEVELS, 3.0), 2.0), shifted(LEVELS, 6.0), atol=1e-6)
    assert shifted(0.5, math.exp(1.15)) == pytest.approx(torch.sigmoid(torch.tensor(1.15)).item())

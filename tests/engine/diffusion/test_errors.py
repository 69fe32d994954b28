"""Loss functions and schedules of delta against their formulas."""

from __future__ import annotations

import math

import pytest
import torch
from lora_workbench.engine.diffusion.errors import DELTA_SCHEDULES, LOSS_FUNCTIONS, NoiseLevel

ERROR = torch.tensor([-3.0, 0.0, 0.4])


def cost(name: str, delta: float) -> list[float]:
    return LOSS_FUNCTIONS.get(name).cost(ERROR, torch.tensor(delta)).tolist()


def test_costs_computed_by_hand() -> None:
    assert cost("mse", 1.0) == pytest.approx([9, 0, 0.16])
    assert cost("l1", 1.0) == pytest.approx([3, 0, 0.4])
    assert cost("smooth_l1", 0.3) == pytest.approx([2 * (9.09**0.5 - 0.3), 0, 0.4], abs=1e-6)
    assert cost("huber", 0.3) == pytest.approx([0.6 * (9.09**0.5 - 0.3), 0, 0.12], abs=1e-6)


def test_limits_of_pseudo_huber() -> None:
    assert cost("huber", 300.0) == pytest.approx(cost("mse", 1.0), rel=1e-2), "large delta: squares"
    assert cost("smooth_l1", 1e-4) == pytest.approx([2 * size for size in cost("l1", 1.0)], abs=1e-3), "small: sizes"


@pytest.mark.parametrize("name", ["huber", "smooth_l1"])
def test_gradients_at_no_error_are_finite(name: str) -> None:
    error = torch.zeros(3, requires_grad=True)
    LOSS_FUNCTIONS.get(name).cost(error, torch.tensor(0.01)).sum().backward()
    assert error.grad is not None and error.grad.tolist() == [0, 0, 0]


def test_schedules_are_those_of_sd_scripts() -> None:
    """Its formulas, on the noise levels of Stable Diffusion; exponents and ratios as it writes them."""
    from diffusers import DDPMScheduler

    c, t = 0.1, torch.tensor([0, 250, 999])
    scheduler = DDPMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    cumulative = scheduler.alphas_cumprod[t]
    level = NoiseLevel(t / 1000, cumulative.sqrt(), (1 - cumulative).sqrt())
    ratio = ((1 - cumulative) / cumulative) ** 0.5
    expected = {
        "constant": torch.full((3,), c),
        "exponential": torch.exp(math.log(c) / 1000 * t),
        "snr": (1 - c) / (1 + ratio) ** 2 + c,
    }
    for name in DELTA_SCHEDULES.names():
        torch.testing.assert_close(DELTA_SCHEDULES.get(name)(c, level), expected[name])


@pytest.mark.parametrize("name", ["exponential", "snr"])
def test_delta_falls_from_one_to_the_least_on_flow_models_too(name: str) -> None:
    u = torch.tensor([0.0, 0.3, 0.7, 1.0])
    delta = DELTA_SCHEDULES.get(name)(0.2, NoiseLevel(u, 1 - u, u))
    assert delta[0] == 1 and delta[-1] == pytest.approx(0.2)
    assert (delta.diff() < 0).all()

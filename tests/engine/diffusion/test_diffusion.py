"""Noising, targets and weights against their equations."""

from __future__ import annotations

import pytest
import torch
from lora_workbench.engine.diffusion.noise import add_noise, gaussian_noise
from lora_workbench.engine.diffusion.prediction import target
from lora_workbench.engine.diffusion.weighting import min_snr_weight


@pytest.fixture
def pair():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(3, 4, 5, 5, generator=generator), torch.randn(3, 4, 5, 5, generator=generator)


ALPHA = torch.tensor([1.0, 0.6, 0.0])
SIGMA = (1 - ALPHA.square()).sqrt()


def test_noising_runs_from_the_clean_latent_to_pure_noise(pair):
    x0, noise = pair
    x_t = add_noise(x0, noise, ALPHA, SIGMA)
    assert torch.equal(x_t[0], x0[0])
    assert torch.equal(x_t[2], noise[2])
    assert torch.allclose(x_t[1], 0.6 * x0[1] + 0.8 * noise[1])


def test_x0_can_be_had_back_from_every_target(pair):
    x0, noise = pair
    x_t = add_noise(x0, noise, ALPHA, SIGMA)
    epsilon = target("epsilon", x0, noise, ALPHA, SIGMA)
    v = target("v_prediction", x0, noise, ALPHA, SIGMA)
    assert torch.allclose((x_t[1] - 0.8 * epsilon[1]) / 0.6, x0[1], atol=1e-6)
    assert torch.allclose(0.6 * x_t[1] - 0.8 * v[1], x0[1], atol=1e-6)
    assert torch.allclose(v[2], -x0[2]), "at zero SNR, v tells the picture"
    level = torch.tensor([0.25, 0.5, 0.75])
    x_t = add_noise(x0, noise, 1 - level, level)
    flow = target("flow", x0, noise, 1 - level, level)
    assert torch.allclose(x_t[2] - 0.75 * flow[2], x0[2], atol=1e-6)


def test_targets_are_those_of_diffusers(pair):
    from diffusers import DDIMScheduler

    x0, noise = pair
    scheduler = DDIMScheduler()
    t = torch.tensor([10, 500, 990])
    alpha_bar = scheduler.alphas_cumprod[t]
    alpha, sigma = alpha_bar.sqrt(), (1 - alpha_bar).sqrt()
    assert torch.allclose(add_noise(x0, noise, alpha, sigma), scheduler.add_noise(x0, noise, t), atol=1e-6)
    assert torch.allclose(
        target("v_prediction", x0, noise, alpha, sigma), scheduler.get_velocity(x0, noise, t), atol=1e-6
    )


def test_min_snr_weights():
    snr = torch.tensor([0.0, 1.0, 5.0, 20.0])
    alpha, sigma = (snr / (snr + 1)).sqrt(), (1 / (snr + 1)).sqrt()
    assert min_snr_weight("epsilon", alpha, sigma, 5.0).tolist() == pytest.approx([1, 1, 1, 0.25], abs=1e-4)
    assert min_snr_weight("v_prediction", alpha, sigma, 5.0).tolist() == pytest.approx(
        [0, 0.5, 5 / 6, 5 / 21], abs=1e-4
    )
    assert min_snr_weight("flow", alpha, sigma, 5.0).tolist() == [1, 1, 1, 1]
    assert min_snr_weight("epsilon", alpha, sigma, 0).tolist() == [1, 1, 1, 1]


def test_an_unknown_objective_is_an_error(pair):
    with pytest.raises(ValueError, match="unknown prediction type"):
        target("x0", *pair, ALPHA, SIGMA)  # type: ignore[arg-type]


def test_offset_noise_shifts_whole_channels():
    def noise(offset: float) -> torch.Tensor:
        return gaussian_noise((64, 4, 16, 16), torch.Generator().manual_seed(0), offset=offset)

    assert torch.equal(noise(0), torch.randn(64, 4, 16, 16, generator=torch.Generator().manual_seed(0)))
    shift = noise(0.5) - noise(0)
    assert torch.allclose(shift, shift[..., :1, :1].expand_as(shift), atol=1e-6)
    assert shift[..., 0, 0].std() == pytest.approx(0.5, rel=0.1)

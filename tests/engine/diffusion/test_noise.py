"""Noise of several resolutions and perturbed inputs: their formulas, variances and random numbers."""

from __future__ import annotations

import pytest
import torch
from lora_workbench.engine.diffusion.noise import perturbed, pyramid_noise

SHAPE = (256, 4, 16, 12)


def white() -> torch.Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


def pyramid(noise: torch.Tensor, iterations: int = 6, discount: float = 0.4, seed: int = 1) -> torch.Tensor:
    return pyramid_noise(noise, torch.Generator().manual_seed(seed), iterations=iterations, discount=discount)


def test_the_pyramid_is_that_of_sd_scripts() -> None:
    """Its loop in other words, with the same random numbers and one sample, whose deviation is that of its batch."""
    noise = torch.randn(1, 4, 16, 12, generator=torch.Generator().manual_seed(0))
    generator, expected = torch.Generator().manual_seed(1), noise.clone()
    up = torch.nn.Upsample(size=(16, 12), mode="bilinear")
    for i in range(6):
        r = float(torch.rand((), generator=generator)) * 2 + 2
        sides = max(1, int(16 / r**i)), max(1, int(12 / r**i))
        expected += up(torch.randn(1, 4, *sides, generator=generator)) * 0.4**i
        if min(sides) == 1:
            break
    torch.testing.assert_close(pyramid(noise), expected / expected.std())


def test_each_sample_of_a_pyramid_has_variance_one_and_depends_on_no_other() -> None:
    noise = white()
    made = pyramid(noise)
    torch.testing.assert_close(made.std(dim=(1, 2, 3)), torch.ones(len(made)))
    other = noise.clone()
    other[0] *= 9
    assert torch.equal(pyramid(other)[1:], made[1:])


def test_a_pyramid_moves_variance_into_large_areas() -> None:
    """The means of whole channels vary as 1 / pixels in white noise, and more with each resolution and weight."""
    made = [white(), *(pyramid(white(), discount=discount) for discount in (0.0, 0.3, 0.8))]
    found = [noise.mean(dim=(2, 3)).var().item() for noise in made]
    assert found[0] == pytest.approx(1 / (16 * 12), rel=0.1)
    assert found[1] == pytest.approx(found[0], rel=0.15), "discount 0 leaves white noise"
    assert 1.1 * found[0] < found[2] and 4 * found[2] < found[3]


def test_perturbation_adds_variance_and_draws_nothing_when_off() -> None:
    noise, generator = white(), torch.Generator().manual_seed(1)
    before = generator.get_state()
    assert perturbed(noise, generator, strength=0.0) is noise
    assert torch.equal(generator.get_state(), before)
    shown = perturbed(noise, generator, strength=0.5)
    assert shown.var().item() == pytest.approx(1 + 0.5**2, rel=0.02)
    assert ((shown - noise) * noise).mean().abs() < 0.01, "independent of the noise itself"

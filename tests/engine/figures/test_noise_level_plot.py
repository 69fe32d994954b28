"""Plots of noise levels."""

from __future__ import annotations

from itertools import pairwise

import pytest
from lora_workbench.engine.diffusion.noise_levels import DISTRIBUTIONS, NoiseLevels
from lora_workbench.engine.diffusion.shift import Shift
from lora_workbench.engine.figures.drawing import WARM
from lora_workbench.engine.figures.noise_levels import density, noise_level_plot
from lora_workbench.engine.figures.plots import loss_plot
from PIL import Image, ImageColor


def has(sheet: Image.Image, color: str) -> bool:
    """Whether more than a few pixels have about this color."""
    wanted = ImageColor.getrgb(color)
    pixels = sheet.getcolors(sheet.width * sheet.height) or []
    return sum(n for n, pixel in pixels if max(abs(a - b) for a, b in zip(pixel, wanted, strict=True)) < 40) > 100  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DISTRIBUTIONS.names())
def test_the_area_below_a_density_is_all_steps(name: str) -> None:
    levels = NoiseLevels(distribution=name, shift=Shift.fixed(3.0), lowest=0.1, highest=0.8)
    curve = density(levels, tokens=4096)
    area = sum((b - a) * (p + q) / 2 for (a, p), (b, q) in pairwise(curve))
    assert area == pytest.approx(1, abs=0.01)
    assert 0.1 <= curve[0][0] < curve[-1][0] <= 0.8


def test_the_base_models_own_sampling_is_drawn_where_it_is_known() -> None:
    levels = NoiseLevels(distribution="logit_normal")
    alone = noise_level_plot(levels, tokens=4096)
    both = noise_level_plot(levels, tokens=4096, sampled=NoiseLevels(shift=Shift.by_tokens()))
    assert has(both, WARM) and not has(alone, WARM)


def test_it_has_the_size_of_a_loss_plot_so_that_both_are_shown_together() -> None:
    losses = loss_plot([0.5] * 4, learning_rates=[1e-4] * 4, title="fox")
    assert noise_level_plot(NoiseLevels(), tokens=1, title="fox").size == losses.size


@pytest.mark.parametrize("scale", [-1.0, 1.75])
def test_densities_without_bounds_can_be_drawn(scale: float) -> None:
    levels = NoiseLevels(distribution="mode", mode_scale=scale, lowest=0.5, highest=0.501)
    assert noise_level_plot(levels, tokens=1, sampled=NoiseLevels()).mode == "RGB"

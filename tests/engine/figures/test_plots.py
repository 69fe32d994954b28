"""Loss plots."""

from __future__ import annotations

import math

import pytest
from lora_workbench.engine.figures.drawing import ACCENT, SERIES, WARM
from lora_workbench.engine.figures.plots import loss_plot, nice_ticks, smoothed
from PIL import Image, ImageColor


def height_of_the_line(sheet: Image.Image, x: int, color: str) -> float:
    """Mean row of the pixels of about this color in column ``x``; NaN when there are none."""
    wanted = ImageColor.getrgb(color)
    pixels = [sheet.getpixel((x, y)) for y in range(sheet.height)]
    rows = [y for y, pixel in enumerate(pixels) if max(abs(a - b) for a, b in zip(pixel, wanted, strict=True)) < 60]  # type: ignore[arg-type]
    return sum(rows) / len(rows) if rows else math.nan


def test_the_line_falls_with_the_loss() -> None:
    sheet = loss_plot([1.0 - step / 250 for step in range(200)], title="fox")
    early, late = height_of_the_line(sheet, 200, ACCENT), height_of_the_line(sheet, 600, ACCENT)
    assert early + 50 < late


def test_learning_rates_get_a_panel_below() -> None:
    losses = [0.5] * 100
    plain, both = loss_plot(losses), loss_plot(losses, learning_rates=[1e-3] * 100)
    assert both.width == plain.width
    assert height_of_the_line(both, 400, WARM) > plain.height
    assert math.isnan(height_of_the_line(plain, 400, WARM))


def test_each_part_has_a_line_of_its_own_color_below_the_whole() -> None:
    parts = {"subject": [0.3] * 100, "output_preservation": [math.nan] * 10 + [0.1] * 90}
    sheet = loss_plot([0.4] * 100, parts=parts)
    whole, subject, preserved = (height_of_the_line(sheet, 400, color) for color in (ACCENT, *SERIES[:2]))
    assert whole < subject < preserved
    assert math.isnan(height_of_the_line(loss_plot([0.4] * 100), 400, SERIES[0]))


@pytest.mark.parametrize("losses", [[0.2], [0.0, 0.0], [math.nan] * 3, [0.1, math.inf, 0.2], [-1.0, -2.0], [1e-9, 1e9]])
def test_any_course_can_be_drawn(losses: list[float]) -> None:
    assert loss_plot(losses, learning_rates=[0.0] * len(losses)).mode == "RGB"


def test_one_extreme_loss_does_not_flatten_the_rest() -> None:
    losses = [0.5 - 0.001 * step for step in range(300)]
    spiked = [*losses[:150], 1000.0, *losses[151:]]
    assert height_of_the_line(loss_plot(spiked), 700, ACCENT) == pytest.approx(
        height_of_the_line(loss_plot(losses), 700, ACCENT), abs=5
    )


def test_bad_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        loss_plot([])
    with pytest.raises(ValueError, match="2 losses"):
        loss_plot([0.1, 0.2], learning_rates=[1e-3])


def test_the_smoothed_course_follows_without_lag_and_skips_gaps() -> None:
    line = [0.01 * step for step in range(400)]
    assert smoothed(line)[50:350] == pytest.approx(line[50:350])
    assert smoothed([*line[:200], math.nan, *line[201:]])[50:350] == pytest.approx(line[50:350], abs=2e-3)
    assert smoothed([3.0]) == [3.0]


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.26), (0.0, 1.0), (1.0, 2000.0), (-3.0, 7.0), (0.0, 1.1e-4)])
def test_ticks_are_round_and_inside(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert 3 <= len(ticks) <= 8
    assert low <= ticks[0] + 1e-12
    assert ticks[-1] <= high * (1 + 1e-9)
    step = ticks[1] - ticks[0]
    assert f"{step:.0e}"[0] in "125"

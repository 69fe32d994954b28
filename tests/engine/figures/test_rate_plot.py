"""The plot of a search for a learning rate."""

from __future__ import annotations

from lora_workbench.engine.figures.drawing import WARM
from lora_workbench.engine.figures.rate_plot import rate_plot
from PIL import Image, ImageColor


def column_of_the_line(sheet: Image.Image) -> int:
    """Where the line at the chosen rate is."""
    wanted = ImageColor.getrgb(WARM)
    return next(
        x
        for x in range(sheet.width)
        if max(abs(a - b) for a, b in zip(sheet.getpixel((x, 300)), wanted, strict=True)) < 60  # type: ignore[arg-type]
    )


def test_the_chosen_rate_stands_where_the_logarithm_is() -> None:
    points = [(10.0**power, 1 + power / 10) for power in range(-6, 0)]
    sheets = [rate_plot(points, points[1:-1], rate, title="fox") for rate in (1e-5, 1e-4, 1e-3)]
    assert {sheet.size for sheet in sheets} == {(880, 522)}
    first, second, third = map(column_of_the_line, sheets)
    assert abs((third - second) - (second - first)) <= 1 and second > first + 100


def test_losses_far_above_the_first_stay_inside() -> None:
    points = [(1e-6, 1.0), (1e-3, 0.5), (1e-1, 400.0)]
    assert rate_plot(points, points, 1e-3).size == (880, 522)

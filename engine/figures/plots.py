"""Plots of losses and learning rates."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from .axes import (
    FINE,
    TEXT,
    TITLE_HEIGHT,
    WIDTH,
    Panel,
    blank,
    draw_axis,
    draw_line,
    draw_tick,
    finished,
    nice_ticks,
    text,
)
from .drawing import ACCENT, PALE, QUIET, SERIES, WARM, text_width

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_HEIGHT, _RATE_HEIGHT = 380, 110


def loss_plot(
    losses: Sequence[float],
    *,
    learning_rates: Sequence[float] | None = None,
    parts: Mapping[str, Sequence[float]] | None = None,
    title: str = "",
) -> Image:
    """Draw the loss of each step as a pale point, and the smoothed loss as a line labeled with its last value.

    Args:
        losses: one per step, from step 1; values that aren't finite are left out.
        learning_rates: one per step, drawn in a separate panel below.
        parts: name -> its value at each step, of what the losses are the sum of; drawn as smoothed lines with a legend.
        title: above the plot.

    Returns:
        An RGB picture, 880 pixels wide.

    Raises:
        ValueError: there is no loss, or the number of learning rates differs.
    """
    if not losses:
        raise ValueError("a loss plot needs at least one loss")
    if learning_rates is not None and len(learning_rates) != len(losses):
        raise ValueError(f"{len(losses)} losses need as many learning rates; got {len(learning_rates)}")
    top = TITLE_HEIGHT if title else 0
    height = top + _HEIGHT + (_RATE_HEIGHT if learning_rates else 0)
    sheet, draw = blank(height, title)
    panel = _loss_panel(losses, top)
    _draw_axes(draw, panel, "loss", label_steps=not learning_rates)
    _draw_parts(draw, panel, parts or {})
    _draw_losses(draw, panel, losses)
    if learning_rates:
        rates = _panel(top + _HEIGHT + 4, height - 44, len(losses), 0.0, max(learning_rates) * 1.1 or 1.0)
        _draw_axes(draw, rates, "learning rate", label_steps=True, ticks=2)
        draw_line(draw, [rates.point(step, rate) for step, rate in enumerate(learning_rates, 1)], WARM)
    return finished(sheet)


def smoothed(losses: Sequence[float]) -> list[float]:
    """Mean around each step, over about a tenth of the run; NaN where no loss nearby is finite."""
    reach = max(1, len(losses) // 40)
    return _near_means(_near_means(losses, reach), reach)


def _near_means(values: Sequence[float], reach: int) -> list[float]:
    """Mean of the finite values within ``reach`` of each value."""
    sums, counts = [0.0], [0]
    for value in values:
        finite = math.isfinite(value)
        sums.append(sums[-1] + (value if finite else 0.0))
        counts.append(counts[-1] + finite)
    means = []
    for place in range(len(values)):
        start, end = max(0, place - reach), min(len(values), place + reach + 1)
        count = counts[end] - counts[start]
        means.append((sums[end] - sums[start]) / count if count else math.nan)
    return means


def _panel(top: float, bottom: float, steps: int, low: float, high: float) -> Panel:
    return Panel(76 * FINE, top * FINE, (WIDTH - 84) * FINE, bottom * FINE, 1, steps, low, high)


def _loss_panel(losses: Sequence[float], top: int) -> Panel:
    """A panel from zero to a little above all but the most extreme losses."""
    finite = sorted(loss for loss in losses if math.isfinite(loss)) or [0.0]
    high = finite[min(len(finite) - 1, int(0.99 * len(finite)))] * 1.1
    return _panel(top + 44, top + _HEIGHT - 44, len(losses), min(0.0, finite[0]), high if high > 0 else 1.0)


def _draw_axes(draw: ImageDraw, panel: Panel, name: str, *, label_steps: bool, ticks: int = 5) -> None:
    draw_axis(draw, panel, name, ticks)
    if not label_steps:
        return
    whole = [tick for tick in nice_ticks(1, max(2, panel.last), 6) if tick == int(tick) and 1 < tick <= panel.last]
    for step in [1, *whole]:
        draw_tick(draw, panel, step, f"{step:g}")
    text(draw, (panel.right / FINE + 30, panel.bottom / FINE + 9), "step", QUIET, anchor="lt")


def _draw_losses(draw: ImageDraw, panel: Panel, losses: Sequence[float]) -> None:
    radius = (2.2 if len(losses) <= 500 else 1.3) * FINE
    for step, loss in enumerate(losses, 1):
        if math.isfinite(loss):
            x, y = panel.point(step, loss)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=PALE)
    means = smoothed(losses)
    points = _line(panel, means)
    if not points:
        return
    draw_line(draw, points, ACCENT)
    (x, y), radius = points[-1], 4 * FINE
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ACCENT)
    text(draw, (x / FINE + 10, y / FINE), f"{means[-1]:.3g}", ACCENT, anchor="lm", size=TEXT + 2)


def _draw_parts(draw: ImageDraw, panel: Panel, parts: Mapping[str, Sequence[float]]) -> None:
    """A smoothed line for each part, and their names above the panel, from right to left."""
    x, colors = panel.right / FINE, dict(zip(parts, SERIES, strict=False))
    for name, color in reversed(colors.items()):
        text(draw, (x, panel.top / FINE - 8), name.replace("_", " "), color, anchor="rb")
        x -= text_width(name, TEXT) + 16
        if points := _line(panel, smoothed(parts[name])):
            draw_line(draw, points, color)


def _line(panel: Panel, means: Sequence[float]) -> list[tuple[float, float]]:
    return [panel.point(step, mean) for step, mean in enumerate(means, 1) if math.isfinite(mean)]

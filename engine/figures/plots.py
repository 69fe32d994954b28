"""Plots of losses and learning rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from .drawing import ACCENT, INK, LINE, PALE, PAPER, QUIET, WARM, write
from .fonts import font

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_WIDTH, _HEIGHT, _TITLE_HEIGHT, _RATE_HEIGHT = 880, 380, 32, 110
_FINE = 3
"""Everything is drawn larger by this factor and then scaled down, for smooth lines."""
_TEXT = 14


class _Panel(NamedTuple):
    """A rectangle in pixels of the enlarged drawing, and the values at its edges."""

    left: float
    top: float
    right: float
    bottom: float
    steps: int
    low: float
    high: float

    def point(self, step: float, value: float) -> tuple[float, float]:
        """Position of a value, clamped to the panel, at a step, counted from 1."""
        across = (step - 1) / max(1, self.steps - 1)
        up = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)


def loss_plot(losses: Sequence[float], *, learning_rates: Sequence[float] | None = None, title: str = "") -> Image:
    """Draw the loss of each step as a pale point, and the smoothed loss as a line labeled with its last value.

    Args:
        losses: one per step, from step 1; values that aren't finite are left out.
        learning_rates: one per step, drawn in a separate panel below.
        title: above the plot.

    Returns:
        An RGB picture, 880 pixels wide.

    Raises:
        ValueError: there is no loss, or the number of learning rates differs.
    """
    from PIL import Image, ImageDraw

    if not losses:
        raise ValueError("a loss plot needs at least one loss")
    if learning_rates is not None and len(learning_rates) != len(losses):
        raise ValueError(f"{len(losses)} losses need as many learning rates; got {len(learning_rates)}")
    top = _TITLE_HEIGHT if title else 0
    height = top + _HEIGHT + (_RATE_HEIGHT if learning_rates else 0)
    sheet = Image.new("RGB", (_WIDTH * _FINE, height * _FINE), PAPER)
    draw = ImageDraw.Draw(sheet)
    write(draw, (20 * _FINE, 16 * _FINE), title, (_TEXT + 4) * _FINE, INK)
    panel = _loss_panel(losses, top)
    _draw_axes(draw, panel, "loss", label_steps=not learning_rates)
    _draw_losses(draw, panel, losses)
    if learning_rates:
        rates = _panel(top + _HEIGHT + 4, height - 44, len(losses), 0.0, max(learning_rates) * 1.1 or 1.0)
        _draw_axes(draw, rates, "learning rate", label_steps=True, ticks=2)
        _draw_line(draw, [rates.point(step, rate) for step, rate in enumerate(learning_rates, 1)], WARM)
    return sheet.resize((_WIDTH, height), Image.Resampling.LANCZOS)


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


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers from ``low`` to ``high``, with steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= 0.7 * rough)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def _panel(top: float, bottom: float, steps: int, low: float, high: float) -> _Panel:
    return _Panel(76 * _FINE, top * _FINE, (_WIDTH - 84) * _FINE, bottom * _FINE, steps, low, high)


def _loss_panel(losses: Sequence[float], top: int) -> _Panel:
    """A panel from zero to a little above all but the most extreme losses."""
    finite = sorted(loss for loss in losses if math.isfinite(loss)) or [0.0]
    high = finite[min(len(finite) - 1, int(0.99 * len(finite)))] * 1.1
    return _panel(top + 44, top + _HEIGHT - 44, len(losses), min(0.0, finite[0]), high if high > 0 else 1.0)


def _draw_axes(draw: ImageDraw, panel: _Panel, name: str, *, label_steps: bool, ticks: int = 5) -> None:
    for value in nice_ticks(panel.low, panel.high, ticks):
        _, y = panel.point(1, value)
        draw.line((panel.left, y, panel.right, y), fill=LINE, width=_FINE)
        _text(draw, (panel.left / _FINE - 10, y / _FINE), f"{value:g}", QUIET, anchor="rm")
    _text(draw, (panel.left / _FINE, panel.top / _FINE - 8), name, QUIET, anchor="lb")
    draw.line((panel.left, panel.bottom, panel.right, panel.bottom), fill=QUIET, width=_FINE)
    if not label_steps:
        return
    whole = [tick for tick in nice_ticks(1, max(2, panel.steps), 6) if tick == int(tick) and 1 < tick <= panel.steps]
    for step in [1, *whole]:
        x, _ = panel.point(step, panel.low)
        draw.line((x, panel.bottom, x, panel.bottom + 5 * _FINE), fill=QUIET, width=_FINE)
        _text(draw, (x / _FINE, panel.bottom / _FINE + 9), f"{step:g}", QUIET, anchor="mt")
    _text(draw, (panel.right / _FINE + 30, panel.bottom / _FINE + 9), "step", QUIET, anchor="lt")


def _draw_losses(draw: ImageDraw, panel: _Panel, losses: Sequence[float]) -> None:
    radius = (2.2 if len(losses) <= 500 else 1.3) * _FINE
    for step, loss in enumerate(losses, 1):
        if math.isfinite(loss):
            x, y = panel.point(step, loss)
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=PALE)
    means = smoothed(losses)
    points = [panel.point(step, mean) for step, mean in enumerate(means, 1) if math.isfinite(mean)]
    if not points:
        return
    _draw_line(draw, points, ACCENT)
    (x, y), radius = points[-1], 4 * _FINE
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ACCENT)
    _text(draw, (x / _FINE + 10, y / _FINE), f"{means[-1]:.3g}", ACCENT, anchor="lm", size=_TEXT + 2)


def _draw_line(draw: ImageDraw, points: list[tuple[float, float]], color: str) -> None:
    draw.line(points, fill=color, width=2 * _FINE, joint="curve")


def _text(
    draw: ImageDraw, place: tuple[float, float], text: str, color: str, *, anchor: str = "la", size: int = _TEXT
) -> None:
    """Write at a position in pixels of the final picture."""
    x, y = place
    draw.text((x * _FINE, y * _FINE), text, fill=color, font=font(size * _FINE), anchor=anchor)

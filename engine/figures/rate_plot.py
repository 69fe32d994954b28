"""The plot of a search for a learning rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .axes import FINE, TITLE_HEIGHT, WIDTH, Panel, blank, draw_axis, draw_line, draw_tick, finished, text
from .drawing import ACCENT, PALE, QUIET, WARM

if TYPE_CHECKING:
    from PIL.Image import Image

_HEIGHT = 490
_HIGHEST = 1.6
"""Losses above this are drawn at the upper edge."""

Points = Sequence[tuple[float, float]]
"""(learning rate, loss), with rising rates."""


def rate_plot(measured: Points, smoothed: Points, chosen: float, *, title: str = "") -> Image:
    """Draw losses over learning rates, on a logarithmic axis, with a line at the rate that was chosen.

    Args:
        measured: the loss at each rate, over the first one.
        smoothed: the same, as a line.
        chosen: the learning rate.
        title: above the plot.

    Returns:
        An RGB picture of 880 by 522 pixels, the size of a loss plot with title and learning rates.
    """
    first, last = math.log10(measured[0][0]), math.log10(measured[-1][0])
    highest = max(loss for _, loss in measured)
    top, bottom = TITLE_HEIGHT + 44, TITLE_HEIGHT + _HEIGHT - 60
    panel = Panel(
        76 * FINE, top * FINE, (WIDTH - 84) * FINE, bottom * FINE, first, last, 0.0, min(_HIGHEST, 1.1 * highest)
    )
    sheet, draw = blank(TITLE_HEIGHT + _HEIGHT, title)
    draw_axis(draw, panel, "loss, over that before training")
    for power in range(math.ceil(first - 1e-9), math.floor(last + 1e-9) + 1):
        draw_tick(draw, panel, power, f"1e{power}")
    text(draw, (panel.right / FINE, panel.bottom / FINE + 32), "learning rate", QUIET, anchor="rt")
    radius = 2.2 * FINE
    for rate, loss in measured:
        x, y = panel.point(math.log10(rate), loss)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=PALE)
    draw_line(draw, [panel.point(math.log10(rate), loss) for rate, loss in smoothed], ACCENT)
    at, _ = panel.point(math.log10(chosen), 0)
    draw_line(draw, [(at, panel.top), (at, panel.bottom)], WARM)
    text(draw, (at / FINE + 8, panel.top / FINE + 4), f"{chosen:g}", WARM)
    return finished(sheet)

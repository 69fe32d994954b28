"""Clouds of points beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lora_workbench.engine.figures.axes import (
    FINE,
    TITLE_HEIGHT,
    WIDTH,
    Panel,
    blank,
    draw_axis,
    draw_tick,
    finished,
    nice_ticks,
    text,
)
from lora_workbench.engine.figures.drawing import ACCENT, QUIET, WARM
from PIL.Image import Image

_HEIGHT, _LEFT, _GAP = 360, 76, 60


@dataclass(frozen=True)
class Cloud:
    """The points of a panel."""

    name: str
    """Of the horizontal axis."""
    x: Sequence[float]
    y: Sequence[float]


def scatter(clouds: Sequence[Cloud], limit: float, *, title: str, axis: str) -> Image:
    """Panels beside each other with one vertical axis; points above the limit are drawn in a warm color."""
    sheet, draw = blank(TITLE_HEIGHT + _HEIGHT, title)
    wide = (WIDTH - _LEFT - 20 - _GAP * (len(clouds) - 1)) / len(clouds)
    highest = 1.05 * max(max(cloud.y) for cloud in clouds)
    for number, cloud in enumerate(clouds):
        left = _LEFT + number * (wide + _GAP)
        panel = Panel(
            left * FINE, (TITLE_HEIGHT + 44) * FINE, (left + wide) * FINE, (TITLE_HEIGHT + _HEIGHT - 60) * FINE,
            0.0, 1.05 * max(cloud.x), 0.0, highest,
        )  # fmt: skip
        draw_axis(draw, panel, axis if number == 0 else "")
        for tick in nice_ticks(0, panel.last, 6):
            draw_tick(draw, panel, tick, f"{tick:g}")
        text(draw, (left + wide, panel.bottom / FINE + 32), cloud.name, QUIET, anchor="rt")
        (_, y), radius = panel.point(0, limit), 2.4 * FINE
        draw.line((panel.left, y, panel.right, y), fill=WARM, width=FINE)
        for at, value in zip(cloud.x, cloud.y, strict=True):
            x, y = panel.point(at, value)
            color = WARM if value > limit else ACCENT
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
    return finished(sheet)

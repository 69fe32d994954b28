"""What plots have in common: the sheet, panels with axes, lines and texts. Sizes are in pixels of the final picture."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from .drawing import INK, LINE, PAPER, QUIET, write
from .fonts import font

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

WIDTH, TITLE_HEIGHT = 880, 32
FINE = 3
"""Everything is drawn larger by this factor and then scaled down, for smooth lines."""
TEXT = 14


class Panel(NamedTuple):
    """A rectangle in pixels of the enlarged drawing, and the values at its edges."""

    left: float
    top: float
    right: float
    bottom: float
    first: float
    last: float
    low: float
    high: float

    def point(self, x: float, y: float) -> tuple[float, float]:
        """Position of a value ``y``, clamped to the panel, at ``x``."""
        across = (x - self.first) / ((self.last - self.first) or 1)
        up = (min(max(y, self.low), self.high) - self.low) / (self.high - self.low)
        return self.left + across * (self.right - self.left), self.bottom - up * (self.bottom - self.top)


def blank(height: int, title: str) -> tuple[Image, ImageDraw]:
    """An empty sheet, enlarged, with a title in its upper left corner."""
    from PIL import Image, ImageDraw

    sheet = Image.new("RGB", (WIDTH * FINE, height * FINE), PAPER)
    draw = ImageDraw.Draw(sheet)
    write(draw, (20 * FINE, 16 * FINE), title, (TEXT + 4) * FINE, INK)
    return sheet, draw


def finished(sheet: Image) -> Image:
    """The sheet at its final size."""
    from PIL import Image

    return sheet.resize((sheet.width // FINE, sheet.height // FINE), Image.Resampling.LANCZOS)


def nice_ticks(low: float, high: float, count: int = 5) -> list[float]:
    """About ``count`` round numbers from ``low`` to ``high``, with steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= 0.7 * rough)
    first = math.ceil(low / step - 1e-9)
    return [number * step for number in range(first, math.floor(high / step + 1e-9) + 1)]


def draw_axis(draw: ImageDraw, panel: Panel, name: str, ticks: int = 5) -> None:
    """Lines at round values of the vertical axis with their numbers, its name above it, and the horizontal axis."""
    for value in nice_ticks(panel.low, panel.high, ticks):
        _, y = panel.point(panel.first, value)
        draw.line((panel.left, y, panel.right, y), fill=LINE, width=FINE)
        text(draw, (panel.left / FINE - 10, y / FINE), f"{value:g}", QUIET, anchor="rm")
    text(draw, (panel.left / FINE, panel.top / FINE - 8), name, QUIET, anchor="lb")
    draw.line((panel.left, panel.bottom, panel.right, panel.bottom), fill=QUIET, width=FINE)


def draw_tick(draw: ImageDraw, panel: Panel, x: float, label: str) -> None:
    """A mark on the horizontal axis, with a label below."""
    across, _ = panel.point(x, panel.low)
    draw.line((across, panel.bottom, across, panel.bottom + 5 * FINE), fill=QUIET, width=FINE)
    text(draw, (across / FINE, panel.bottom / FINE + 9), label, QUIET, anchor="mt")


def draw_line(draw: ImageDraw, points: list[tuple[float, float]], color: str) -> None:
    """A line through positions in the enlarged drawing."""
    draw.line(points, fill=color, width=2 * FINE, joint="curve")


def text(
    draw: ImageDraw, place: tuple[float, float], written: str, color: str, *, anchor: str = "la", size: int = TEXT
) -> None:
    """Write at a position in pixels of the final picture."""
    x, y = place
    draw.text((x * FINE, y * FINE), written, fill=color, font=font(size * FINE), anchor=anchor)

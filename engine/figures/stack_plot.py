"""The plot of what the adapters of a stack do to each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .axes import FINE, TEXT, TITLE_HEIGHT, WIDTH, blank, finished, text
from .drawing import ACCENT, INK, LINE, PAPER, QUIET, SERIES, WARM, text_width

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

COLORS = (ACCENT, WARM, *SERIES)
"""Of the adapters; from the eighth on they begin again."""
_ROW, _CELL = 22, 34
_LEFT, _RIGHT = 210, 90
_LEGEND = 26
_LONGEST = 28


@dataclass(frozen=True)
class Bar:
    """One block."""

    name: str
    length: float
    """How strongly it is changed, 0 or more."""
    shares: Sequence[float]
    """What each adapter owns of that; they add up to 1, and negative ones work against the others."""
    label: str
    """At the end of the bar."""


def stack_plot(
    names: Sequence[str], bars: Sequence[Bar], cosines: Sequence[Sequence[float]], *, title: str, axis: str
) -> Image:
    """Draw how strongly each block is changed and by which adapters, above a table of how alike the changes are.

    Args:
        names: of the adapters, with their weights.
        bars: the blocks, from the top.
        cosines: of the angles between the changes of each two adapters, -1 to 1.
        title: above the plot.
        axis: what the lengths are.

    Returns:
        An RGB picture, 880 pixels wide.
    """
    legend = _lines_of(names)
    top = TITLE_HEIGHT + 16 + _LEGEND * len(legend) + 24
    table = top + _ROW * len(bars) + 50
    sheet, draw = blank(table + _CELL * len(names) + 30 if len(names) > 1 else table - 20, title)
    _draw_legend(draw, legend)
    text(draw, (_LEFT, top - 8), axis, QUIET, anchor="lb")
    longest = max((bar.length for bar in bars), default=0.0) or 1.0
    for number, bar in enumerate(bars):
        _draw_bar(draw, top + _ROW * number, bar, (WIDTH - _LEFT - _RIGHT) / longest)
    if len(names) > 1:
        _draw_table(draw, table, names, cosines)
    return finished(sheet)


def _lines_of(names: Sequence[str]) -> list[list[tuple[int, str]]]:
    """The legend: (number, name) of the adapters, in as many lines as they take."""
    lines: list[list[tuple[int, str]]] = [[]]
    across = 0
    for number, name in enumerate(names):
        width = text_width(_short(name), TEXT) + 44
        if lines[-1] and across + width > WIDTH - 40:
            lines.append([])
            across = 0
        lines[-1].append((number, name))
        across += width
    return lines


def _draw_legend(draw: ImageDraw, lines: list[list[tuple[int, str]]]) -> None:
    for row, line in enumerate(lines):
        x, y = 20, TITLE_HEIGHT + 16 + row * _LEGEND
        for number, name in line:
            _box(draw, x, y, x + 14, y + 14, _color(number))
            text(draw, (x + 20, y + 7), _short(name), INK, anchor="lm")
            x += text_width(_short(name), TEXT) + 44


def _draw_bar(draw: ImageDraw, top: float, bar: Bar, scale: float) -> None:
    text(draw, (_LEFT - 12, top + _ROW / 2), _short(bar.name), INK, anchor="rm")
    parts = [max(0.0, share) for share in bar.shares]
    whole = sum(parts) or 1.0
    x = float(_LEFT)
    for number, part in enumerate(parts):
        wide = bar.length * scale * part / whole
        _box(draw, x, top + 3, x + wide, top + _ROW - 3, _color(number))
        x += wide
    text(draw, (x + 8, top + _ROW / 2), bar.label, QUIET, anchor="lm")


def _draw_table(draw: ImageDraw, top: float, names: Sequence[str], cosines: Sequence[Sequence[float]]) -> None:
    text(draw, (_LEFT, top - 8), "how alike the changes are: 1 the same, 0 apart, -1 opposite", QUIET, anchor="lb")
    wide = min(90.0, (WIDTH - _LEFT - 20) / len(names))
    for row, name in enumerate(names):
        y = top + row * _CELL
        text(draw, (_LEFT - 12, y + _CELL / 2), _short(name), INK, anchor="rm")
        for column in range(len(names)):
            x, value = _LEFT + column * wide, cosines[row][column]
            _box(draw, x, y, x + wide - 2, y + _CELL - 2, LINE if row == column else _tint(value))
            if row != column:
                text(draw, (x + wide / 2 - 1, y + _CELL / 2 - 1), f"{value:+.2f}", INK, anchor="mm", size=TEXT - 1)


def _tint(value: float) -> str:
    """From the paper to the accent for changes that add up, to the warm color for those that cancel."""
    strong = min(1.0, abs(value)) ** 0.5 * 0.75
    color = ACCENT if value > 0 else WARM
    mixed = (round(_part(PAPER, at) * (1 - strong) + _part(color, at) * strong) for at in (1, 3, 5))
    return "#" + "".join(f"{part:02x}" for part in mixed)


def _part(color: str, at: int) -> int:
    return int(color[at : at + 2], 16)


def _color(number: int) -> str:
    return COLORS[number % len(COLORS)]


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _box(draw: ImageDraw, left: float, top: float, right: float, bottom: float, color: str) -> None:
    if right > left:
        draw.rectangle((left * FINE, top * FINE, right * FINE, bottom * FINE), fill=color)

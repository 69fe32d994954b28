"""The plot of what an adapter changes: norms and effective ranks by block, and its spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

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
from .drawing import ACCENT, LINE, PALE, QUIET, SERIES, text_width

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

_ROW, _SMALL_ROW = 20, 12
"""Pixels of a block's bar with its gap, and of those of many blocks."""
_MANY = 40
_SMALL_TEXT = 10
_SPECTRUM = 300
_LABELS = 210
"""Pixels for names at the left, at most."""
_LEAST = 0.1
"""Share of the layers between the median and the edges of the shade."""


class Bar(NamedTuple):
    """A block in the plot."""

    name: str
    norm: float
    """Of its updates, or their share of the weights."""
    effective_rank: float
    rank: int


def spectrum_plot(bars: Sequence[Bar], spectra: Sequence[Sequence[float]], *, share: bool, title: str = "") -> Image:
    """Draw bars for each block, and below the singular values of all layers: their median, and most of them as a shade.

    Args:
        bars: in the order of the model; without any, the picture says that nothing was measured.
        spectra: of each layer, its singular values from the largest.
        share: whether norms are shares of the weights' norms.
        title: above the plot.

    Returns:
        An RGB picture, 880 pixels wide, as high as the blocks need.
    """
    row = _ROW if len(bars) <= _MANY else _SMALL_ROW
    middle = TITLE_HEIGHT + 44 + row * len(bars)
    if not bars:
        sheet, draw = blank(TITLE_HEIGHT + _SPECTRUM, title)
        text(draw, (WIDTH / 2, _SPECTRUM / 2), "Nothing was measured.", QUIET, anchor="mm")
        return finished(sheet)
    sheet, draw = blank(middle + _SPECTRUM, title)
    _draw_bars(draw, bars, row, share)
    _draw_spectrum(draw, spectra, middle)
    return finished(sheet)


def _draw_bars(draw: ImageDraw, bars: Sequence[Bar], row: int, share: bool) -> None:
    size = TEXT if row == _ROW else _SMALL_TEXT
    names = [_label(bar.name, size) for bar in bars]
    left = 20 + max(text_width(name, size * FINE) / FINE for name in names) + 12
    width = (WIDTH - left - 20 - 120) / 2
    top = TITLE_HEIGHT + 34
    highest = max(bar.rank for bar in bars)
    columns = (
        (left, "norm of the update" + (" / weight" if share else ""), [bar.norm for bar in bars], 0),
        (left + width + 70, "effective rank, and rank", [bar.effective_rank for bar in bars], highest),
    )
    colors = _colors(bars)
    for x, heading, values, most in columns:
        text(draw, (x, top - 12), heading, QUIET, anchor="ls")
        scale = width / (max(most, *values) or 1.0)
        for place, (bar, value) in enumerate(zip(bars, values, strict=True)):
            y = top + row * place
            if most:
                _draw_bar(draw, x, y, bar.rank * scale, row, LINE)
            _draw_bar(draw, x, y, value * scale, row, colors[place])
            end = x + max(value, bar.rank if most else 0) * scale
            told = f"{value:.1f}" if most else f"{value:.2%}" if share else f"{value:.3g}"
            text(draw, (end + 6, y + row / 2), told, QUIET, anchor="lm", size=size - 1)
    for place, name in enumerate(names):
        text(draw, (left - 8, top + row * (place + 0.5)), name, QUIET, anchor="rm", size=size)


def _label(name: str, size: int) -> str:
    """A block's name; of one that is too long, the end, which has its number."""
    name = name.removeprefix("denoiser.").replace(".text_model_encoder_layers", ".layers")
    label = name
    while text_width(label, size * FINE) > _LABELS * FINE:
        name = name[1:]
        label = f"…{name}"
    return label


def _draw_bar(draw: ImageDraw, x: float, y: float, length: float, row: int, color: str) -> None:
    gap = row * 0.15
    draw.rectangle((x * FINE, (y + gap) * FINE, (x + length) * FINE, (y + row - gap) * FINE), fill=color)


def _colors(bars: Sequence[Bar]) -> list[str]:
    """One for each component, the denoiser's first."""
    components = dict.fromkeys(bar.name.partition(".")[0] for bar in bars)
    color = dict(zip(sorted(components, key=lambda name: name != "denoiser"), (ACCENT, *SERIES), strict=False))
    return [color.get(bar.name.partition(".")[0], ACCENT) for bar in bars]


def _draw_spectrum(draw: ImageDraw, spectra: Sequence[Sequence[float]], top: float) -> None:
    """Singular values as shares of the largest of their layer."""
    shares = [[value / own[0] for value in own] for own in spectra if own and own[0]]
    count = max(map(len, shares), default=1)
    panel = Panel(76 * FINE, (top + 60) * FINE, (WIDTH - 84) * FINE, (top + _SPECTRUM - 50) * FINE, 1, count, 0.0, 1.0)
    draw_axis(draw, panel, "singular values of each layer, over its largest")
    for tick in [1, *(t for t in nice_ticks(1, max(2, count), 8) if t == int(t) and 1 < t <= count)]:
        draw_tick(draw, panel, tick, f"{tick:g}")
    text(draw, (panel.right / FINE, panel.bottom / FINE + 30), "number", QUIET, anchor="rt")
    if not shares:
        return
    columns = [sorted(own[i] if i < len(own) else 0.0 for own in shares) for i in range(count)]
    cut = int(_LEAST * len(shares))
    low, high = ([panel.point(i, column[j]) for i, column in enumerate(columns, 1)] for j in (cut, -1 - cut))
    if count > 1:
        draw.polygon([*low, *reversed(high)], fill=PALE)
        draw_line(draw, [panel.point(i, median(column)) for i, column in enumerate(columns, 1)], ACCENT)
    else:
        x, y = panel.point(1, 1.0)
        draw.ellipse((x - 4 * FINE, y - 4 * FINE, x + 4 * FINE, y + 4 * FINE), fill=ACCENT)
    text(draw, (panel.right / FINE, panel.top / FINE - 8), "median, and 80 % of the layers", ACCENT, anchor="rb")

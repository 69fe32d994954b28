"""Pictures side by side, with what made each of them beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .drawing import INK, LINE, PAPER, QUIET, font, wrapped

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

SMALLEST_CELL = 160
"""Pixels that a cell's shorter side has at least; smaller pictures are enlarged by a whole number."""
_TEXT = 15
_NOTE = 13
_LEADING = 1.3
_MARGIN = 20
_GAP = 8
_LABEL_WIDTH = 190
_HEAD_LINES = 3


@dataclass(frozen=True)
class Label:
    """The head of a column or the label of a row."""

    text: str
    """For example the adapter's name, or the prompt."""
    note: str = ""
    """In smaller type below, for example the weight, or the seed."""


def labeled_grid(
    rows: Sequence[Label], columns: Sequence[Label], cells: Sequence[Sequence[Image]], *, title: str = ""
) -> Image:
    """Lay pictures out as a table.

    Args:
        rows: one label a row, to the left of it; long texts are wrapped.
        columns: one label a column, above it.
        cells: rows of pictures, as many as there are labels; all of one size.
        title: above everything.

    Returns:
        An RGB picture. Small pictures are enlarged without smoothing, so that every pixel can be seen.

    Raises:
        ValueError: the cells don't fit the labels, or there are none.
    """
    from PIL import Image, ImageDraw

    if not rows or not columns or len(cells) != len(rows) or any(len(row) != len(columns) for row in cells):
        shape = [len(row) for row in cells]
        raise ValueError(f"{len(rows)} rows and {len(columns)} columns need as many cells, at least one; got {shape}")
    width, height = _cell_size(cells[0][0])
    head = _block_height(columns, width, _HEAD_LINES)
    left = _MARGIN + _LABEL_WIDTH + 2 * _GAP
    top = _MARGIN + (round(1.8 * _TEXT) + _GAP if title else 0) + head + _GAP
    size = (left + len(columns) * (width + _GAP) - _GAP + _MARGIN, top + len(rows) * (height + _GAP) - _GAP + _MARGIN)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), title, fill=INK, font=font(_TEXT + 4))
    for column, label in enumerate(columns):
        x = left + column * (width + _GAP)
        _write(draw, label, (x, top - _GAP - _label_height(label, width, _HEAD_LINES)), width, _HEAD_LINES)
    row_lines = max(1, int((height - _NOTE * _LEADING) // (_TEXT * _LEADING)))
    for row, label in enumerate(rows):
        y = top + row * (height + _GAP)
        offset = (height - _label_height(label, _LABEL_WIDTH, row_lines)) // 2
        _write(draw, label, (_MARGIN, y + offset), _LABEL_WIDTH, row_lines)
        for column, cell in enumerate(cells[row]):
            x = left + column * (width + _GAP)
            sheet.paste(cell.convert("RGB").resize((width, height), Image.Resampling.NEAREST), (x, y))
            draw.rectangle((x - 1, y - 1, x + width, y + height), outline=LINE)
    return sheet


def _cell_size(picture: Image) -> tuple[int, int]:
    """The picture's size times the smallest whole number that makes it readable."""
    scale = -(-SMALLEST_CELL // min(picture.size))
    return picture.width * scale, picture.height * scale


def _lines(label: Label, width: int, most: int) -> list[tuple[str, int, str]]:
    """Text, type size and color of each line."""
    text = [(line, _TEXT, INK) for line in wrapped(label.text, _TEXT, width, lines=most)]
    note = [(line, _NOTE, QUIET) for line in wrapped(label.note, _NOTE, width, lines=2)]
    return text + note


def _label_height(label: Label, width: int, most: int) -> int:
    return round(sum(size * _LEADING for _, size, _ in _lines(label, width, most)))


def _block_height(labels: Sequence[Label], width: int, most: int) -> int:
    return max(_label_height(label, width, most) for label in labels)


def _write(draw: ImageDraw, label: Label, corner: tuple[int, int], width: int, most: int) -> None:
    x, y = corner
    for text, size, color in _lines(label, width, most):
        draw.text((x, round(y)), text, fill=color, font=font(size))
        y += size * _LEADING

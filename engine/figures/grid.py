"""Pictures in a table, with labels for rows and columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .drawing import INK, LINE, PAPER, QUIET, WARM, wrapped, write
from .fonts import missing_note

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

MIN_CELL = 160
"""Shorter side of a cell, in pixels, at least; smaller pictures are enlarged by an integer factor."""
_TEXT = 15
_NOTE = 13
_LEADING = 1.3
_MARGIN = 20
_GAP = 8
_LABEL_WIDTH = 190
_HEAD_LINES = 3
_NOTE_LINES = 4


@dataclass(frozen=True)
class Label:
    """The head of a column or the label of a row."""

    text: str
    """For example the adapter's name, or the prompt."""
    note: str = ""
    """Smaller text below, for example the weight, or the seed."""


def labeled_grid(
    rows: Sequence[Label], columns: Sequence[Label], cells: Sequence[Sequence[Image]], *, title: str = ""
) -> Image:
    """Lay pictures out as a table.

    Args:
        rows: labels to the left of the rows; long texts are wrapped.
        columns: labels above the columns.
        cells: rows of pictures, one for each pair of labels, all of the same size.
        title: above everything.

    Returns:
        An RGB picture. Small pictures are enlarged without smoothing, so that every pixel can be seen.

    Raises:
        ValueError: the cells don't match the labels, or there are none.
    """
    from PIL import Image, ImageDraw

    if not rows or not columns or len(cells) != len(rows) or any(len(row) != len(columns) for row in cells):
        shape = [len(row) for row in cells]
        raise ValueError(f"{len(rows)} rows and {len(columns)} columns need as many cells, at least one; got {shape}")
    scale = -(-MIN_CELL // min(cells[0][0].size))
    width, height = (side * scale for side in cells[0][0].size)
    head = max(_label_height(label, width, _HEAD_LINES) for label in columns)
    left = _MARGIN + _LABEL_WIDTH + 2 * _GAP
    top = _MARGIN + (round(1.8 * _TEXT) + _GAP if title else 0) + head + _GAP
    across = left + len(columns) * (width + _GAP) - _GAP + _MARGIN
    note = missing_note([title, *(f"{label.text} {label.note}" for label in (*rows, *columns))])
    note_lines = wrapped(note, _NOTE, across - 2 * _MARGIN, lines=_NOTE_LINES)
    below = round(len(note_lines) * _NOTE * _LEADING) + (_MARGIN if note else 0)
    size = (across, top + len(rows) * (height + _GAP) - _GAP + _MARGIN + below)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    write(draw, (_MARGIN, _MARGIN), title, _TEXT + 4, INK)
    for number, line in enumerate(note_lines):
        write(draw, (_MARGIN, size[1] - below + round(number * _NOTE * _LEADING)), line, _NOTE, WARM)
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


def _lines(label: Label, width: int, most: int) -> list[tuple[str, int, str]]:
    """Text, font size and color of each line."""
    text = [(line, _TEXT, INK) for line in wrapped(label.text, _TEXT, width, lines=most)]
    note = [(line, _NOTE, QUIET) for line in wrapped(label.note, _NOTE, width, lines=2)]
    return text + note


def _label_height(label: Label, width: int, most: int) -> int:
    return round(sum(size * _LEADING for _, size, _ in _lines(label, width, most)))


def _write(draw: ImageDraw, label: Label, corner: tuple[int, int], width: int, most: int) -> None:
    x, y = corner
    for text, size, color in _lines(label, width, most):
        write(draw, (x, round(y)), text, size, color)
        y += size * _LEADING

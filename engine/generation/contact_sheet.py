"""All pictures of a data set on one sheet, with their names and captions."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from ..data.dataset import Dataset, ImageRecord
from ..events import Event, Progress
from .drawing import INK, LINE, PAPER, QUIET, font, text_width, wrapped
from .overlays import with_overlays

if TYPE_CHECKING:
    from PIL.Image import Image

MOST_PICTURES = 240
"""More than these aren't drawn, so that the sheet can still be shown; the title says how many there are."""
_CELL = 192
_GAP = 16
_TEXT = 13
_LEADING = 17
_CAPTION_LINES = 4
_HEIGHT = _CELL + (1 + _CAPTION_LINES) * _LEADING + _GAP // 2


def contact_sheet(dataset: Dataset, *, columns: int = 6) -> Generator[Event, None, Image]:
    """Draw the sheet, in the data set's order.

    Args:
        dataset: its pictures are decoded one at a time.
        columns: pictures side by side; fewer where there are fewer pictures.

    Returns:
        An RGB picture. Each picture is shown whole, enlarged by a whole number where it is small, with its crops and
        its mask drawn over it.

    Raises:
        DatasetError: a picture can't be read any more.
    """
    from PIL import Image, ImageDraw

    records = dataset.records[:MOST_PICTURES]
    columns = max(1, min(columns, len(records)))
    rows = -(-len(records) // columns)
    title = _title(dataset)
    width = max(_GAP + columns * (_CELL + _GAP), text_width(title, _TEXT + 4) + 2 * _GAP)
    top = 3 * _GAP
    sheet = Image.new("RGB", (width, top + rows * (_HEIGHT + _GAP)), PAPER)
    ImageDraw.Draw(sheet).text((_GAP, _GAP), title, fill=INK, font=font(_TEXT + 4))
    for number, record in enumerate(records):
        row, column = divmod(number, columns)
        _draw(sheet, record, _GAP + column * (_CELL + _GAP), top + row * (_HEIGHT + _GAP))
        yield Progress(done=number + 1, total=len(records), label="laying out pictures")
    return sheet


def _title(dataset: Dataset) -> str:
    words = [f"{dataset.name}: {len(dataset)} pictures"]
    if len(dataset) > MOST_PICTURES:
        words.append(f"the first {MOST_PICTURES} of them shown")
    if dataset.skipped:
        words.append(f"{len(dataset.skipped)} left out")
    return ", ".join(words)


def _draw(sheet: Image, record: ImageRecord, left: int, top: int) -> None:
    """One picture in the middle of its cell, name and caption below."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(sheet)
    picture = with_overlays(_fitted(record.load()), record)
    x, y = left + (_CELL - picture.width) // 2, top + (_CELL - picture.height) // 2
    sheet.paste(picture, (x, y))
    draw.rectangle((x - 1, y - 1, x + picture.width, y + picture.height), outline=LINE)
    repeats = f" (x{record.repeats})" if record.repeats > 1 else ""
    below = top + _CELL + _GAP // 2
    for line in wrapped(record.name + repeats, _TEXT, _CELL, lines=1):
        draw.text((left, below), line, fill=QUIET, font=font(_TEXT))
    for number, line in enumerate(wrapped(record.caption or "(no caption)", _TEXT, _CELL, lines=_CAPTION_LINES), 1):
        draw.text((left, below + number * _LEADING), line, fill=INK, font=font(_TEXT))


def _fitted(picture: Image) -> Image:
    """The picture as large as the cell allows."""
    from PIL import Image, ImageOps

    scale = _CELL // max(picture.size)
    if scale >= 1:
        return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    return ImageOps.contain(picture, (_CELL, _CELL), Image.Resampling.LANCZOS)

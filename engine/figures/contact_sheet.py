"""The pictures of a data set on one sheet, with their names and captions."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING

from ..core.errors import DatasetError
from ..core.events import Event, Message, Progress
from ..core.words import counted
from ..data.dataset import Dataset, ImageRecord
from .drawing import INK, LINE, PAPER, QUIET, WARM, text_width, wrapped, write
from .fonts import missing_note
from .overlays import with_overlays

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PICTURES = 240
"""Of larger data sets only this many are drawn, so that the sheet can still be shown; the title gives their number."""
_CELL = 192
_GAP = 16
_TEXT = 13
_LEADING = 17
_CAPTION_LINES = 4
_FLAG_LINES = 2
_FRAME = 4
_NOTE_LINES = 4
_PAIR_GAP = 8


def contact_sheet(
    dataset: Dataset,
    *,
    columns: int = 6,
    flags: Sequence[Sequence[str]] | None = None,
    colors: Sequence[str] | None = None,
    title: str = "",
) -> Generator[Event, None, Image]:
    """Draw the sheet, in the order of the data set.

    Args:
        dataset: its pictures are decoded one at a time.
        columns: number of pictures side by side; fewer if there are fewer pictures.
        flags: short labels of the flaws of each picture. Pictures with flags are framed; an unreadable one is left
            blank.
        colors: of the frame and the flags of each picture; by default the same for all.
        title: by default the name of the data set, and how many pictures have flags.

    Returns:
        An RGB picture. Each picture is shown whole, small ones enlarged by an integer factor, with its crops and its
        mask drawn over it, to the right of the picture before editing if it has one. Where no font on this computer has
        some letters, the lines below say so.

    Raises:
        DatasetError: a picture is no longer readable and there are no flags.
    """
    from PIL import Image, ImageDraw

    shown = _shown(dataset, flags)
    columns = max(1, min(columns, len(shown)))
    rows = -(-len(shown) // columns)
    height = _CELL + (1 + _CAPTION_LINES + (_FLAG_LINES if flags else 0)) * _LEADING + _GAP // 2
    title = title or _title(dataset, flags)
    width = max(_GAP + columns * (_CELL + _GAP), text_width(title, _TEXT + 4) + 2 * _GAP)
    top = 3 * _GAP
    records = [dataset.records[number] for number in shown]
    note = missing_note([title, *(f"{record.name} {record.caption or ''}" for record in records)])
    note_lines = wrapped(note, _TEXT, width - 2 * _GAP, lines=_NOTE_LINES)
    bottom = top + rows * (height + _GAP)
    sheet = Image.new("RGB", (width, bottom + len(note_lines) * _LEADING + (_GAP if note else 0)), PAPER)
    for number, line in enumerate(note_lines):
        write(ImageDraw.Draw(sheet), (_GAP, bottom + number * _LEADING), line, _TEXT, WARM)
    if note:
        yield Message(text=note)
    write(ImageDraw.Draw(sheet), (_GAP, _GAP), title, _TEXT + 4, INK)
    for place, number in enumerate(shown):
        row, column = divmod(place, columns)
        corner = _GAP + column * (_CELL + _GAP), top + row * (height + _GAP)
        color = colors[number] if colors else WARM
        _draw(sheet, dataset.records[number], corner, flags[number] if flags else None, color)
        yield Progress(done=place + 1, total=len(shown), label="laying out pictures")
    return sheet


def _shown(dataset: Dataset, flags: Sequence[Sequence[str]] | None) -> list[int]:
    """Indices of the pictures to draw, in order; if there are too many, those with flags take precedence."""
    numbers = list(range(len(dataset)))
    if flags and len(numbers) > MAX_PICTURES:
        numbers.sort(key=lambda number: not flags[number])
    return sorted(numbers[:MAX_PICTURES])


def _title(dataset: Dataset, flags: Sequence[Sequence[str]] | None) -> str:
    words = [f"{dataset.name}: {counted(len(dataset), 'picture')}"]
    if flags:
        words.append(f"{sum(map(bool, flags))} flagged")
    if len(dataset) > MAX_PICTURES:
        words.append(f"{'' if flags else 'the first '}{MAX_PICTURES} of them shown")
    if dataset.skipped:
        words.append(f"{len(dataset.skipped)} other files skipped")
    return ", ".join(words)


def _draw(sheet: Image, record: ImageRecord, corner: tuple[int, int], flags: Sequence[str] | None, color: str) -> None:
    """One picture in the middle of its cell, framed in this color if it has flags; name, flags and caption below."""
    from PIL import ImageDraw

    draw = ImageDraw.Draw(sheet)
    left, top = corner
    picture = _picture(record, tolerant=flags is not None)
    x, y = left + (_CELL - picture.width) // 2, top + (_CELL - picture.height) // 2
    sheet.paste(picture, (x, y))
    frame = _FRAME if flags else 1
    box = (x - frame, y - frame, x + picture.width + frame - 1, y + picture.height + frame - 1)
    draw.rectangle(box, outline=color if flags else LINE, width=frame)
    repeats = f" (x{record.repeats})" if record.repeats > 1 else ""
    lines = [(line, QUIET) for line in wrapped(record.name + repeats, _TEXT, _CELL, lines=1)]
    lines += [(line, color) for line in wrapped(", ".join(flags or ()), _TEXT, _CELL, lines=_FLAG_LINES)]
    lines += [(line, INK) for line in wrapped(record.caption or "(no caption)", _TEXT, _CELL, lines=_CAPTION_LINES)]
    for number, (line, ink) in enumerate(lines):
        write(draw, (left, top + _CELL + _GAP // 2 + number * _LEADING), line, _TEXT, ink)


def _picture(record: ImageRecord, *, tolerant: bool) -> Image:
    """The picture as large as its cell allows, beside the one before editing; gray if ``tolerant`` is true and it can't
    be read."""
    from PIL import Image

    side = (_CELL - _PAIR_GAP) // 2 if record.reference else _CELL
    try:
        picture = with_overlays(_fitted(record.load(at_least=side), side), record)
        before = _fitted(record.reference.load(at_least=side), side) if record.reference else None
    except DatasetError:
        if not tolerant:
            raise
        return Image.new("RGB", (_CELL, _CELL), LINE)
    if before is None:
        return picture
    both = Image.new("RGB", (_CELL, max(before.height, picture.height)), PAPER)
    both.paste(before, (side - before.width, (both.height - before.height) // 2))
    both.paste(picture, (_CELL - side, (both.height - picture.height) // 2))
    return both


def _fitted(picture: Image, side: int) -> Image:
    """The picture as large as a square of this side allows."""
    from PIL import Image

    if scale := side // max(picture.size):
        return picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST)
    longest = max(picture.size)
    size = (max(1, round(picture.width * side / longest)), max(1, round(picture.height * side / longest)))
    return picture.resize(size, Image.Resampling.LANCZOS)

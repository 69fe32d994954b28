"""Crops and masks drawn over a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.dataset import ImageRecord
from ..data.views import Box, Size
from .drawing import ACCENT, PAPER, text_width, write

if TYPE_CHECKING:
    from PIL.Image import Image

_TEXT = 12
_PALE = 150
"""Opacity of the white outside all crops, of 255."""
_RED = (214, 52, 52)
_MASKED = 0.55
"""Opacity of the red where a mask with floor 0 is black."""


def with_overlays(shown: Image, record: ImageRecord) -> Image:
    """A picture with its record's mask and crops drawn over it.

    Masked-out parts are red, stronger for lower weights; everything outside the crops is pale; crops are outlined and
    labeled with their sizes.

    Args:
        shown: RGB, the record's picture at any scale; not modified.
        record: its mask is read only if it affects training.
    """
    if record.mask and record.mask.weighs:
        shown = _masked(shown, record)
    return _with_crops(shown, record) if record.crops else shown


def _masked(shown: Image, record: ImageRecord) -> Image:
    from PIL import Image, ImageChops

    assert record.mask is not None
    left_out = ImageChops.invert(record.mask.load().resize(shown.size, Image.Resampling.BILINEAR))
    opacity = _MASKED * (1 - record.mask.floor)
    return Image.composite(
        Image.new("RGB", shown.size, _RED), shown, left_out.point([round(value * opacity) for value in range(256)])
    )


def _with_crops(shown: Image, record: ImageRecord) -> Image:
    from PIL import Image, ImageDraw

    boxes = [_pixels(crop.box, (record.width, record.height), shown.size) for crop in record.crops]
    outside = Image.new("L", shown.size, _PALE)
    for box in boxes:
        outside.paste(0, (box[0], box[1], box[2] + 1, box[3] + 1))
    drawn = Image.composite(Image.new("RGB", shown.size, PAPER), shown, outside)
    draw = ImageDraw.Draw(drawn)
    for box in boxes:
        draw.rectangle(box, outline=ACCENT, width=2)
    sizes = [f"{width} x {height}" for width, height in dict.fromkeys(crop.size for crop in record.crops)]
    left, top = boxes[0][:2]
    for number, text in enumerate(sizes):
        y = top + number * (_TEXT + 4)
        draw.rectangle((left, y, left + text_width(text, _TEXT) + 8, y + _TEXT + 4), fill=ACCENT)
        write(draw, (left + 4, y + 1), text, _TEXT, PAPER)
    return drawn


def _pixels(box: Box, picture: Size, shown: Size) -> tuple[int, int, int, int]:
    """The first and last column and row of a box when its picture is shown at another size; at least one of each."""
    (left, right), (top, bottom) = (
        _span(box[axis], box[axis + 2], shown[axis] / picture[axis], shown[axis]) for axis in (0, 1)
    )
    return left, top, right, bottom


def _span(start: float, end: float, scale: float, length: int) -> tuple[int, int]:
    first = min(round(start * scale), length - 1)
    return first, max(first, round(end * scale) - 1)

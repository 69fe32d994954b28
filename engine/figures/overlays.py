"""Crops and masks drawn over a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..data.dataset import ImageRecord
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

    across, down = shown.width / record.width, shown.height / record.height
    boxes = [
        (round(left * across), round(top * down), round(right * across) - 1, round(bottom * down) - 1)
        for left, top, right, bottom in (crop.box for crop in record.crops)
    ]
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

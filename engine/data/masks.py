"""Masks: which pixels of a picture teach how much."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import DatasetError
from .images import decode_mask
from .sources import ImageSource, read_unchanged

if TYPE_CHECKING:
    from PIL import Image

Channel = Literal["gray", "alpha"]


@dataclass(frozen=True, kw_only=True)
class Mask:
    """A picture's training weight, pixel by pixel; read only when asked for."""

    source: ImageSource = field(repr=False)
    content_hash: str
    """SHA-256 of the encoded mask."""
    channel: Channel = "gray"
    """Where in the source it lies: its brightness, or its transparency."""
    floor: float = 1.0
    """Weight of black, 0 to 1; white weighs 1. At 1 the mask is known but changes nothing."""

    @property
    def weighs(self) -> bool:
        """Whether a training is changed by it."""
        return self.floor < 1

    def load(self) -> Image.Image:
        """As 8-bit gray, EXIF rotation applied; white teaches fully.

        Raises:
            DatasetError: the file is gone, damaged, or another one than when the data set was read.
        """
        return decode_mask(read_unchanged(self.source, self.content_hash), self.source.name, self.channel)

    def identity(self) -> list[Any]:
        """What a run's key knows of it."""
        return [self.content_hash, self.channel, self.floor]


def check_same_shape(mask: tuple[int, int], picture: tuple[int, int], name: str) -> None:
    """Refuse a mask whose sides, (width, height), aren't in proportion to its picture's.

    Raises:
        DatasetError: they differ by more than a rounding of either's sides could.
    """
    (width, height), (full_width, full_height) = mask, picture
    if abs(width * full_height - height * full_width) > max(mask) + max(picture):
        raise DatasetError(
            f"{name}: its shape, {width} x {height}, isn't that of its picture, {full_width} x {full_height}",
            expected="a mask of the picture's size, or in proportion to it",
            hint="draw the mask over the whole picture.",
        )

"""Masks: how much each pixel of a picture weighs in the loss."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from ..core.errors import DatasetError
from .mask_pixels import decode_mask
from .sources import ImageSource, read_unchanged

if TYPE_CHECKING:
    from PIL import Image

Channel = Literal["gray", "alpha"]


@dataclass(frozen=True, kw_only=True)
class Mask:
    """A picture's weight in the loss, pixel by pixel; read only on request."""

    source: ImageSource = field(repr=False)
    content_hash: str
    """SHA-256 of the encoded mask."""
    channel: Channel = "gray"
    """Whether the mask is the brightness of its source, or the alpha channel."""
    floor: float = 1.0
    """Weight of black, 0 to 1; white has weight 1. At 1 the mask changes nothing."""

    @property
    def weighs(self) -> bool:
        """Whether the mask affects training."""
        return self.floor < 1

    def load(self) -> Image.Image:
        """As 8-bit gray, EXIF rotation applied; white has full weight.

        Raises:
            DatasetError: the file is missing, damaged, or has changed since the data set was read.
        """
        return decode_mask(read_unchanged(self.source, self.content_hash), self.source.name, self.channel)

    def identity(self) -> list[Any]:
        """Everything about the mask that affects training, for hashes."""
        return [self.content_hash, self.channel, self.floor]


def check_same_shape(mask: tuple[int, int], picture: tuple[int, int], name: str) -> None:
    """Refuse a mask whose aspect ratio isn't that of its picture; sizes are (width, height).

    Raises:
        DatasetError: they differ by more than rounding of the sides explains.
    """
    (width, height), (full_width, full_height) = mask, picture
    if abs(width * full_height - height * full_width) > max(mask) + max(picture):
        raise DatasetError(
            f"{name}: its shape, {width} x {height}, doesn't match its picture, {full_width} x {full_height}",
            expected="a mask with the picture's size or aspect ratio",
            hint="paint the mask over the whole picture.",
        )

"""References: the pictures before editing, which edit models are shown beside the instruction."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from .sources import ImageSource, read_unchanged
from .views import Size, View, fitted

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Reference:
    """One picture before editing; its record holds the result. It is decoded only on request."""

    source: ImageSource = field(repr=False)
    content_hash: str
    """SHA-256 of the encoded picture."""
    width: int
    """In pixels, after EXIF rotation."""
    height: int
    """In pixels, after EXIF rotation."""

    @property
    def name(self) -> str:
        return self.source.name

    def load(self, *, at_least: int = 0) -> Image.Image:
        """Decode to RGB, as a record's picture.

        Raises:
            DatasetError: the file is missing, damaged, or has changed since the data set was read.
        """
        from .images import decode

        return decode(self.read(), self.name, at_least=at_least)

    def read(self) -> bytes:
        """The encoded picture.

        Raises:
            DatasetError: the file is missing, or has changed since the data set was read.
        """
        return read_unchanged(self.source, self.content_hash)

    def identity(self) -> dict[str, Any]:
        """Everything about the reference that affects training, for hashes."""
        return {"reference": self.content_hash}

    def fits(self, result: Size) -> bool:
        """Whether it has the result's aspect ratio, but for the rounding of sides."""
        (width, height), own = result, (self.width, self.height)
        return abs(own[0] * height - own[1] * width) <= max(own) + max(result)

    def view(self, seen: View, result: Size) -> View:
        """What shows the same part of this picture as ``seen`` shows of the result, mirrored and recolored alike.

        A reference of another size is scaled to that of the result. Of one with another aspect ratio, only the middle
        is used, as large as the result's aspect ratio allows.

        Args:
            seen: a view of the result.
            result: size of the result, to which the view's box refers.
        """
        left, top, right, bottom = fitted((self.width, self.height), result).box
        across, down = (right - left) / result[0], (bottom - top) / result[1]
        box = seen.crop.box
        mapped = (
            left + box[0] * across,
            top + box[1] * down,
            min(left + box[2] * across, self.width),
            min(top + box[3] * down, self.height),
        )
        return replace(seen, crop=replace(seen.crop, box=mapped))

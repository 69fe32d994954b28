"""What a data set looks like in files: its pictures and masks as they are shown, cropped, or byte by byte."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal, get_args

from ..core.errors import DatasetError
from .dataset import Dataset, ImageRecord
from .file_types import HEAD_BYTES, file_type
from .images import to_rgb
from .opening import opened
from .png_chunks import without_text
from .references import Reference
from .sources import read_unchanged
from .views import Crop, Size, View

if TYPE_CHECKING:
    from PIL import Image

Pictures = Literal["as shown", "crops", "crops and variants", "as they are"]
PICTURES: tuple[Pictures, ...] = get_args(Pictures)

Trait = Literal["turned", "transparent", "color", "depth", "frames", "format", "metadata", "scaled mask"]
"""Why programs that look at nothing but a file's pixels see something else in it than what is shown."""

_PLAIN_FORMATS = ("PNG", "JPEG", "MPO", "WEBP")
"""Pillow's names of what every trainer reads. An MPO is a JPEG with further pictures behind it."""
_ENDINGS = {"PNG": ".png", "JPEG": ".jpg", "WebP": ".webp"}
_EIGHT_BITS = ("1", "L", "P", "RGB", "LA", "PA", "RGBA")
_COLOR_INFO = ("icc_profile", "gamma", "chromaticity")
_ORIENTATION, _EXIF, _COLOR_SPACE = 0x0112, 0x8769, 0xA001
_SRGB = 1


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """An encoded picture or mask."""

    data: bytes
    ending: str
    """In lower case, with its dot."""
    traits: tuple[Trait, ...] = ()
    """What the original file has that the pixels alone don't tell; undone in ``data`` unless files are kept."""


@dataclass(frozen=True, kw_only=True)
class Export:
    """One picture to write, with its mask and the picture before editing."""

    record: ImageRecord
    view: View | None = None
    """The crop to write; ``None`` for the whole picture."""
    keep: bool = False
    """Whether files are copied byte by byte, whatever they hold."""

    def picture(self) -> Encoded:
        """The picture: its own bytes where every reader sees in them what is shown, a PNG otherwise.

        Raises:
            DatasetError: the file is missing, damaged, or has changed since the data set was read.
        """
        return self._encoded(self.record, self.view)

    def reference(self) -> Encoded | None:
        """The picture before editing, with the same crop; whole pictures keep their own sizes.

        Raises:
            DatasetError: as for :meth:`picture`.
        """
        reference = self.record.reference
        if reference is None:
            return None
        return self._encoded(reference, reference.view(self.view, self._size) if self.view else None)

    def mask(self) -> Encoded | None:
        """The mask, in the size of the picture that is written, as a gray picture; its own bytes where they are that.

        Raises:
            DatasetError: as for :meth:`picture`.
        """
        mask = self.record.mask
        if mask is None:
            return None
        data = read_unchanged(mask.source, mask.content_hash)
        if (
            mask.channel == "gray"
            and self.view is None
            and (self.keep or _is_plain_mask(data, mask.source.name, self._size))
        ):
            return Encoded(data=data, ending=_ending(data, mask.source.name))
        image = mask.load()
        scaled = self.view is None and image.size != self._size
        return Encoded(data=_png(self._seen(image)), ending=".png", traits=("scaled mask",) if scaled else ())

    def mask_as_jpeg(self) -> bytes | None:
        """As :meth:`mask`, always JPEG, so that gray values are approximate unless the mask is a JPEG."""
        encoded, mask = self.mask(), self.record.mask
        if encoded is None or mask is None:
            return None
        return encoded.data if encoded.ending == ".jpg" else _encoded(self._seen(mask.load()), "JPEG", quality=95)

    def _encoded(self, picture: ImageRecord | Reference, view: View | None) -> Encoded:
        if view:
            return Encoded(data=_png(view.of(picture.load())), ending=".png")
        data = picture.read()
        traits = tuple(_traits(data, picture))
        if traits and not self.keep:
            return Encoded(data=_png(picture.load()), ending=".png", traits=traits)
        return Encoded(data=data, ending=_ending(data, picture.name), traits=traits)

    @property
    def _size(self) -> Size:
        return self.record.width, self.record.height

    def _seen(self, mask: Image.Image) -> Image.Image:
        view = self.view or View(crop=_whole(self.record))
        return view.of_mask(mask, self._size, view.crop.size)


def exports(dataset: Dataset, pictures: Pictures) -> tuple[Export, ...]:
    """What to write of a data set, in its order.

    Args:
        dataset: the data set.
        pictures: ``as shown``: whole, upright, flattened on white, sRGB with 8 bits; ``crops``: each crop at its size;
            ``crops and variants``: also the changed variants of each crop, or of the whole picture if there are no
            crops; ``as they are``: files byte by byte.

    Raises:
        DatasetError: ``pictures`` is unknown, or asks for crops or variants and there are none.
    """
    if pictures not in PICTURES:
        raise DatasetError(f"pictures is {pictures!r}.", expected=f"one of {', '.join(PICTURES)}")
    if pictures in ("as shown", "as they are"):
        return tuple(Export(record=record, keep=pictures == "as they are") for record in dataset)
    variants = pictures == "crops and variants"
    if not any(record.crops or (variants and record.augmentation) for record in dataset):
        raise DatasetError(
            f"{dataset.name} has no {pictures.replace(' and ', ' or ')} to save.",
            expected="a data set after LW_BucketDataset" + (" or LW_Augment" if variants else ""),
            hint="connect such a node, or save the pictures as shown.",
        )
    return tuple(Export(record=record, view=view) for record in dataset for view in _views(record, variants))


def _views(record: ImageRecord, variants: bool) -> Sequence[View | None]:
    """The crops of a record, perhaps in all their variants; the whole picture if there are none."""
    if variants and record.augmentation:
        crops = record.crops or (_whole(record),)
        return [view for crop in crops for view in record.augmentation.variants(crop, record.content_hash)]
    return [View(crop=crop) for crop in record.crops] or [None]


def _whole(record: ImageRecord) -> Crop:
    return Crop(box=(0.0, 0.0, float(record.width), float(record.height)), size=(record.width, record.height))


def _traits(data: bytes, picture: ImageRecord | Reference) -> Iterator[Trait]:
    if _is_refused(data):
        yield "metadata"
    with opened(data, picture.name) as image:
        if image.format not in _PLAIN_FORMATS:
            yield "format"
        if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
            yield "frames"
        if image.getexif().get(_ORIENTATION, 1) != 1:
            yield "turned"
        if image.has_transparency_data and image.convert("RGBA").getchannel("A").getextrema()[0] != 255:
            yield "transparent"
        if image.mode not in _EIGHT_BITS or _has_16_bits(data):
            yield "depth"
        if _says_its_colors(image) and _differs_without(image, picture):
            yield "color"


def _is_refused(data: bytes) -> bool:
    """Whether this is a PNG that Pillow by itself refuses, as it does because of a large text or color profile."""
    from PIL import Image

    if without_text(data) is data and b"iCCP" not in data[:HEAD_BYTES]:
        return False
    try:
        with Image.open(io.BytesIO(data)) as image:
            image.load()
    except Exception:  # it raises all kinds of errors
        return True
    return False


def _has_16_bits(data: bytes) -> bool:
    """Whether this is a PNG with 16 bits per channel, of which Pillow keeps eight if it is in color."""
    return data[12:16] == b"IHDR" and data[24:25] == b"\x10"


def _says_its_colors(image: Image.Image) -> bool:
    """Whether the file says what its colors are, other than by the word for sRGB in its EXIF data."""
    try:
        color_space = image.getexif().get_ifd(_EXIF).get(_COLOR_SPACE, _SRGB)
    except Exception:  # Pillow raises all kinds of errors on damaged EXIF data
        color_space = None
    return color_space != _SRGB or any(name in image.info for name in _COLOR_INFO)


def _differs_without(image: Image.Image, picture: ImageRecord | Reference) -> bool:
    """Whether the pixels differ from what is shown if nothing but transparency and orientation is respected."""
    from PIL import ImageChops, ImageOps

    bare = ImageOps.exif_transpose(image)
    bare.info = {name: value for name, value in bare.info.items() if name == "transparency"}
    return ImageChops.difference(to_rgb(bare), picture.load()).getbbox() is not None


def _is_plain_mask(data: bytes, name: str, size: Size) -> bool:
    """Whether every reader sees the mask in these bytes, in the size of its picture."""
    if _is_refused(data):
        return False
    with opened(data, name) as image:
        plain = image.format in _PLAIN_FORMATS and image.mode in ("1", "L") and not image.has_transparency_data
        return plain and image.size == size and image.getexif().get(_ORIENTATION, 1) == 1


def _ending(data: bytes, name: str) -> str:
    """The ending that says what the bytes are; for others than PNG, JPEG and WebP that of the name, in lower case."""
    return _ENDINGS.get(file_type(data[:HEAD_BYTES]) or "", PurePosixPath(name).suffix.lower())


def _png(image: Image.Image) -> bytes:
    return _encoded(image, "PNG")


def _encoded(image: Image.Image, file_format: str, **options: int) -> bytes:
    image.info = {}  # the original's color profile no longer holds
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()

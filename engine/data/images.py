"""Encoded pictures: their size without decoding, their pixels as RGB or as a mask."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..core.errors import DatasetError
from . import limits

if TYPE_CHECKING:
    from PIL import Image

_ORIENTATION = 0x0112
_EXIF_IN_PNG = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")


def probe(data: bytes, name: str) -> tuple[int, int]:
    """Width and height in pixels, after the EXIF rotation, from the header alone.

    Raises:
        DatasetError: no picture, a damaged header, or more pixels than ``limits.MAX_PIXELS``.
    """
    with _opened(data, name) as image:
        sideways = _orientation(image, data) >= 5
        # Whether Pillow's size of a rotated TIFF is the one before or after the rotation depends on its version.
        if sideways and image.format == "TIFF":
            return decode(data, name).size
        return (image.height, image.width) if sideways else image.size


def check_complete(data: bytes, name: str) -> None:
    """Refuse a picture that was cut short; PNG and JPEG are checked without decoding their pixels.

    Raises:
        DatasetError: the end is missing, or the data is damaged.
    """
    with _opened(data, name) as image:
        if image.format == "PNG":
            image.verify()
            return
        if image.format in ("JPEG", "MPO") and _jpeg_has_end(data):
            return
    decode(data, name)


def decode(data: bytes, name: str, *, at_least: int = 0) -> Image.Image:
    """The pixels as RGB, 8 bits a channel: EXIF rotation applied, transparency flattened onto white, first frame.

    Args:
        data: the encoded picture.
        name: for messages.
        at_least: a JPEG may come at a half, quarter or eighth of its size, as long as its shorter side keeps so many
            pixels; 0 decodes it whole.

    Raises:
        DatasetError: as ``probe``, or the picture is cut short or damaged.
    """
    with _opened(data, name) as image:
        if at_least:
            image.draft(None, (at_least, at_least))
        image.load()
        return to_rgb(image)


def decode_mask(data: bytes, name: str, channel: str) -> Image.Image:
    """A mask as 8-bit gray, EXIF rotation applied: its brightness, or its opacity where ``channel`` is ``alpha``.

    Raises:
        DatasetError: as ``decode``, or there is no transparency to take.
    """
    from PIL import ImageOps

    with _opened(data, name) as image:
        image.load()
        if channel == "alpha" and not image.has_transparency_data:
            raise _unreadable(name, "it has no alpha channel")
        if channel == "alpha":
            return ImageOps.exif_transpose(image).convert("RGBA").getchannel("A")
        return to_rgb(image).convert("L")


def has_alpha(data: bytes, name: str) -> bool:
    """Whether an encoded picture has transparency, by its header alone.

    Raises:
        DatasetError: as ``probe``.
    """
    with _opened(data, name) as image:
        return image.has_transparency_data


def jpeg_tables(data: bytes, name: str) -> Mapping[int, Sequence[int]] | None:
    """A JPEG's quantization tables by number, from its header; ``None`` for other formats.

    Raises:
        DatasetError: as ``probe``.
    """
    with _opened(data, name) as image:
        return getattr(image, "quantization", None)


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow image as RGB: EXIF rotation applied, 16 bits scaled to 8, transparency flattened onto white.

    Raises:
        ValueError: a mode whose range of values isn't known, such as floating point.
    """
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("floating-point pixels; save it with 8 or 16 bits a channel")
    if image.mode.startswith("I"):
        image = _eight_bits(image)
    if image.has_transparency_data:
        layered = image.convert("RGBA")
        flat = Image.new("RGB", image.size, "white")
        flat.paste(layered, mask=layered.getchannel("A"))
        return flat
    return image.convert("RGB")


def check_size(size: tuple[int, int], name: str) -> None:
    """Refuse a picture with more pixels than ``limits.MAX_PIXELS``.

    Raises:
        DatasetError: it has more.
    """
    if size[0] * size[1] > limits.MAX_PIXELS:
        raise _too_large(name, f"{size[0]} x {size[1]} pixels")


@contextlib.contextmanager
def _opened(data: bytes, name: str) -> Iterator[Image.Image]:
    """A picture whose size has been checked; whatever goes wrong with it inside the block becomes a DatasetError."""
    from PIL import Image, UnidentifiedImageError

    try:
        with _STRICT, Image.open(io.BytesIO(data), formats=_formats()) as image:
            check_size(image.size, name)
            yield image
    except DatasetError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(name, str(error)) from error
    except UnidentifiedImageError as error:
        raise _unreadable(name, "it is no picture of a known format" if data else "the file is empty") from error
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes them stumble over
        raise _unreadable(name, f"it can't be decoded ({error})") from error


class _Strict:
    """Pillow refuses pictures that were cut short while any thread is inside.

    Other extensions switch that off for the whole process, and half a picture would pass for a gray one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._tolerant = False

    def __enter__(self) -> None:
        from PIL import ImageFile

        with self._lock:
            if self._inside == 0:
                self._tolerant, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        from PIL import ImageFile

        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                ImageFile.LOAD_TRUNCATED_IMAGES = self._tolerant


_STRICT = _Strict()


def _formats() -> list[str]:
    """The formats to try; others, such as EPS, would start programs or are no photographs."""
    from PIL import Image

    avif = ["AVIF"] if ".avif" in Image.registered_extensions() else []
    return ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", *avif]


def _orientation(image: Image.Image, data: bytes) -> int:
    # Pillow decodes the whole of a PNG to look for EXIF data behind the pixels, so see first whether there is any.
    if image.format == "PNG" and not any(mark in data for mark in _EXIF_IN_PNG):
        return 1
    return image.getexif().get(_ORIENTATION, 1)


def _jpeg_has_end(data: bytes) -> bool:
    """Whether an end marker follows the first scan; a thumbnail in the header has an end marker of its own."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data.find(b"\xff\xd9", at) >= 0


def _eight_bits(image: Image.Image) -> Image.Image:
    """Gray values of 0 to 65535, which is what Pillow's integer modes hold for 16-bit files, as 0 to 255."""
    import numpy as np
    from PIL import Image

    values = np.asarray(image).astype(np.float32) / 257
    return Image.fromarray(values.round().clip(0, 255).astype(np.uint8))


def _too_large(name: str, what: str) -> DatasetError:
    return DatasetError(
        f"{name}: too large a picture ({what})",
        expected=f"at most {limits.MAX_PIXELS // 1_000_000} megapixels",
        hint="scale the picture down; training needs a small part of that.",
    )


def _unreadable(name: str, reason: str) -> DatasetError:
    return DatasetError(
        f"{name}: {reason}",
        expected="a whole picture in PNG, JPEG, WebP, BMP, GIF, TIFF or AVIF",
        hint="open and save it again in an image editor, or take it out of the data set.",
    )

"""Encoded pictures: their size without decoding, and their pixels as RGB or as a mask."""

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
    """Width and height in pixels, after EXIF rotation, from the header alone.

    Raises:
        DatasetError: not a picture, a damaged header, or more pixels than ``limits.MAX_PIXELS``.
    """
    with _opened(data, name) as image:
        # Pillow decodes a whole PNG to look for EXIF data behind the pixels, so check first whether there is any.
        has_exif = image.format != "PNG" or any(mark in data for mark in _EXIF_IN_PNG)
        sideways = has_exif and image.getexif().get(_ORIENTATION, 1) >= 5
        # Pillow's size of a rotated TIFF is the one before or after rotation, depending on Pillow's version.
        if sideways and image.format == "TIFF":
            return decode(data, name).size
        return (image.height, image.width) if sideways else image.size


def check_complete(data: bytes, name: str) -> None:
    """Refuse truncated pictures; PNG and JPEG are checked without decoding their pixels.

    Raises:
        DatasetError: the picture is truncated or damaged.
    """
    with _opened(data, name) as image:
        if image.format == "PNG":
            image.verify()
            return
        if image.format in ("JPEG", "MPO") and _jpeg_has_end(data):
            return
    decode(data, name)


def decode(data: bytes, name: str, *, at_least: int = 0) -> Image.Image:
    """The first frame as RGB, 8 bits per channel: EXIF rotation applied, transparency flattened onto white.

    Args:
        data: the encoded picture.
        name: for messages.
        at_least: a JPEG may be decoded at a half, quarter or eighth of its size if its shorter side keeps at least
            this many pixels; 0 decodes at full size.

    Raises:
        DatasetError: as ``probe``, or the picture is truncated or damaged.
    """
    with _opened(data, name) as image:
        if at_least:
            image.draft(None, (at_least, at_least))
        image.load()
        return to_rgb(image)


def decode_mask(data: bytes, name: str, channel: str) -> Image.Image:
    """A mask as 8-bit gray, EXIF rotation applied: the brightness, or the opacity if ``channel`` is ``alpha``.

    Raises:
        DatasetError: as ``decode``, or there is no alpha channel.
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
    """Whether an encoded picture has transparency, from the header alone.

    Raises:
        DatasetError: as ``probe``.
    """
    with _opened(data, name) as image:
        return image.has_transparency_data


def jpeg_tables(data: bytes, name: str) -> Mapping[int, Sequence[int]] | None:
    """A JPEG's quantization tables by number, from the header; ``None`` for other formats.

    Raises:
        DatasetError: as ``probe``.
    """
    with _opened(data, name) as image:
        return getattr(image, "quantization", None)


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow image as RGB: EXIF rotation applied, 16 bits scaled to 8, transparency flattened onto white.

    Raises:
        ValueError: floating-point pixels, whose range of values is unknown.
    """
    import numpy as np
    from PIL import Image, ImageOps

    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise ValueError("floating-point pixels; save it with 8 or 16 bits per channel")
    if image.mode.startswith("I"):  # Pillow's integer modes hold the 0 to 65535 of a 16-bit file
        values = np.asarray(image).astype(np.float32) / 257
        image = Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
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
    """Open a picture and check its size; any error inside the block becomes a ``DatasetError``."""
    from PIL import Image, UnidentifiedImageError

    # Other formats, such as EPS, would start programs or aren't photographs.
    avif = ["AVIF"] if ".avif" in Image.registered_extensions() else []
    formats = ["PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF", *avif]
    try:
        with _STRICT, Image.open(io.BytesIO(data), formats=formats) as image:
            check_size(image.size, name)
            yield image
    except DatasetError:
        raise
    except Image.DecompressionBombError as error:
        raise _too_large(name, str(error)) from error
    except UnidentifiedImageError as error:
        raise _unreadable(name, "it isn't a picture in a known format" if data else "the file is empty") from error
    except Exception as error:  # Pillow's readers raise all kinds of errors on damaged files
        raise _unreadable(name, f"it can't be decoded ({error})") from error


class _Strict:
    """Makes Pillow refuse truncated pictures while any thread is inside.

    Other extensions disable that check for the whole process, and the missing part would be decoded as gray.
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


def _jpeg_has_end(data: bytes) -> bool:
    """Whether an end marker follows the first scan; the end marker of a thumbnail in the header doesn't count."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data.find(b"\xff\xd9", at) >= 0


def _too_large(name: str, what: str) -> DatasetError:
    return DatasetError(
        f"{name}: the picture is too large ({what})",
        expected=f"at most {limits.MAX_PIXELS // 1_000_000} megapixels",
        hint="scale the picture down; training needs far fewer pixels.",
    )


def _unreadable(name: str, reason: str) -> DatasetError:
    return DatasetError(
        f"{name}: {reason}",
        expected="an intact picture in PNG, JPEG, WebP, BMP, GIF, TIFF or AVIF",
        hint="open and save it again in an image editor, or remove it from the data set.",
    )

"""Encoded pictures: their size without decoding, and their pixels as RGB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .colors import color_note, to_srgb
from .opening import opened

if TYPE_CHECKING:
    from PIL import Image

_ORIENTATION = 0x0112
_EXIF_IN_PNG = (b"eXIf", b"Raw profile type exif", b"XML:com.adobe.xmp")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What the header of a picture says."""

    size: tuple[int, int]
    """Width and height in pixels, after EXIF rotation."""
    notes: tuple[str, ...]
    """What a user should know: more frames, or colors that can't be converted."""


def read_header(data: bytes, name: str) -> Header:
    """The header of a picture; no pixel is decoded.

    Raises:
        DatasetError: as :func:`probe`.
    """
    with opened(data, name) as image:
        size = _upright_size(image, data, name)
        notes = (_frames_note(image), color_note(image, data))
    return Header(size=size, notes=tuple(filter(None, notes)))


def _frames_note(image: Image.Image) -> str:
    """Says which frame is used of several; a JPEG's others are its own, at another size or for another eye."""
    if image.format == "MPO" or not getattr(image, "is_animated", False):
        return ""
    frames = getattr(image, "n_frames", 2)
    if image.format == "TIFF":
        return f"only the first of its {frames} pages is used"
    return f"it has {frames} frames, of which only the first is used"


def probe(data: bytes, name: str) -> tuple[int, int]:
    """Width and height in pixels, after EXIF rotation, from the header alone.

    Raises:
        DatasetError: not a picture, a damaged header, or more pixels than ``limits.MAX_PIXELS``.
    """
    with opened(data, name) as image:
        return _upright_size(image, data, name)


def _upright_size(image: Image.Image, data: bytes, name: str) -> tuple[int, int]:
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
    with opened(data, name) as image:
        if image.format == "PNG":
            image.verify()
            return
        if image.format in ("JPEG", "MPO") and _jpeg_has_end(data):
            return
    decode(data, name)


def decode(data: bytes, name: str, *, at_least: int = 0) -> Image.Image:
    """The first frame as sRGB, 8 bits per channel: EXIF rotation applied, transparency flattened onto white.

    Args:
        data: the encoded picture.
        name: for messages.
        at_least: a JPEG may be decoded at a half, quarter or eighth of its size if its shorter side keeps at least
            this many pixels; 0 decodes at full size.

    Raises:
        DatasetError: as ``probe``, or the picture is truncated or damaged.
    """
    with opened(data, name) as image:
        if at_least:
            image.draft(None, (at_least, at_least))
        image.load()
        return to_rgb(image)


def has_alpha(data: bytes, name: str) -> bool:
    """Whether an encoded picture has transparency, from the header alone.

    Raises:
        DatasetError: as ``probe``.
    """
    with opened(data, name) as image:
        return image.has_transparency_data


def jpeg_tables(data: bytes, name: str) -> Mapping[int, Sequence[int]] | None:
    """A JPEG's quantization tables by number, from the header; ``None`` for other formats.

    Raises:
        DatasetError: as ``probe``.
    """
    with opened(data, name) as image:
        return getattr(image, "quantization", None)


def to_rgb(image: Image.Image) -> Image.Image:
    """Any Pillow image as sRGB: EXIF rotation applied, 16 bits scaled to 8, transparency flattened onto white.

    Raises:
        ValueError: floating-point pixels, whose range of values is unknown.
    """
    from PIL import Image, ImageOps

    image = eight_bits(ImageOps.exif_transpose(image))
    if not image.has_transparency_data:
        return to_srgb(image)
    layered = image.convert("RGBA")
    color = image.convert("L") if image.mode == "LA" else layered.convert("RGB")
    color.info = dict(image.info)
    flat = Image.new("RGB", image.size, "white")
    flat.paste(to_srgb(color), mask=layered.getchannel("A"))
    return flat


def eight_bits(image: Image.Image) -> Image.Image:
    """An image with 16-bit gray scaled to 8 bits; others as they are.

    Raises:
        ValueError: floating-point pixels.
    """
    import numpy as np
    from PIL import Image

    if image.mode == "F":
        raise ValueError("floating-point pixels; save it with 8 or 16 bits per channel")
    if not image.mode.startswith("I"):
        return image
    # Pillow's integer modes hold the 0 to 65535 of a 16-bit file.
    values = np.asarray(image).astype(np.float32) / 257
    scaled = Image.fromarray(values.round().clip(0, 255).astype(np.uint8))
    scaled.info = dict(image.info)
    return scaled


def _jpeg_has_end(data: bytes) -> bool:
    """Whether an end marker follows the first scan; the end marker of a thumbnail in the header doesn't count."""
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return data.find(b"\xff\xd9", at) >= 0

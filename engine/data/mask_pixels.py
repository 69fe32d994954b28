"""What a mask weighs, pixel by pixel, from its brightness or its transparency."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .images import eight_bits
from .opening import opened, unreadable

if TYPE_CHECKING:
    from PIL import Image


def decode_mask(data: bytes, name: str, channel: str) -> Image.Image:
    """A mask as 8-bit gray, EXIF rotation applied: the brightness, or the opacity if ``channel`` is ``alpha``.

    The brightness of a mask with transparency is its opacity if its color is the same everywhere, as painted masks are;
    else transparent parts are black. Color profiles are ignored: the values are weights.

    Raises:
        DatasetError: as ``decode``, or there is no alpha channel.
    """
    from PIL import Image, ImageChops, ImageOps

    with opened(data, name) as image:
        image.load()
        transparent = image.has_transparency_data
        if channel == "alpha" and not transparent:
            raise unreadable(name, "it has no alpha channel")
        image = ImageOps.exif_transpose(image)
        if not transparent:
            return eight_bits(image).convert("L")
        layered = image.convert("RGBA")
        opacity = layered.getchannel("A")
        if channel == "alpha" or _is_plain(layered):
            return opacity
        black = Image.new("RGBA", layered.size, (0, 0, 0, 255))
        return ImageChops.darker(Image.alpha_composite(black, layered).convert("L"), opacity)


def mask_note(data: bytes, name: str) -> str:
    """Says what the transparency of a mask means; empty for a mask without any.

    Raises:
        DatasetError: as ``decode``.
    """

    with opened(data, name) as image:
        if not image.has_transparency_data:
            return ""
        layered: Image.Image = image.convert("RGBA")
        if layered.getchannel("A").getextrema() == (255, 255):
            return ""
        plain = _is_plain(layered)
    return "its opacity is the mask, as its color is the same everywhere" if plain else "its transparency is black"


def _is_plain(layered: Image.Image) -> bool:
    """Whether everything that can be seen of an RGBA picture has one color, and not everything can be seen."""
    opacity = layered.getchannel("A")
    seen = opacity.point([0] + [255] * 255)
    if opacity.getextrema() == (255, 255) or seen.getbbox() is None:
        return opacity.getextrema() != (255, 255)
    return all(band.histogram(seen).count(0) == 255 for band in layered.convert("RGB").split())

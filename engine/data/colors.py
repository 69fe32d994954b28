"""Colors of pictures with a profile, as sRGB."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..core.hashing import bytes_hash
from .color_codes import coded_colors

if TYPE_CHECKING:
    from PIL import Image

_INTEROPERABILITY = 0xA005
_ADOBE_RGB_GAMMA = 563 / 256
_ADOBE_RGB_TO_SRGB = ((1.3984, -0.3984, 0.0), (0.0, 1.0, 0.0), (0.0, -0.0429, 1.0429))
"""Between linear values of both; they share green and the white point."""
_SRGB_GAMMA = 0.45455
_SRGB_PRIMARIES = (0.64, 0.33, 0.3, 0.6, 0.15, 0.06)


def to_srgb(image: Image.Image) -> Image.Image:
    """The picture in sRGB as 8-bit RGB: converted from its embedded profile, or from Adobe RGB if its EXIF says so.

    A profile that is damaged, or isn't of the picture's mode, changes nothing; :func:`color_note` names it.

    Args:
        image: without transparency, 8 bits per channel.
    """
    profile = image.info.get("icc_profile")
    if profile:
        mode = image.mode if image.mode in ("L", "CMYK") else "RGB"
        plain = image if image.mode == mode else image.convert(mode)
        transform = _transform(_Bytes(profile), mode)
        return transform.apply(plain) if transform else image.convert("RGB")
    if image.mode == "RGB" and _is_adobe_rgb(image):
        return _from_adobe_rgb(image)
    return image.convert("RGB")


def color_note(image: Image.Image, data: bytes) -> str:
    """What a user should know of a picture's colors, from its header; empty if they are converted or plain sRGB.

    Args:
        image: the opened picture.
        data: the encoded picture.
    """
    if profile := image.info.get("icc_profile"):
        mode = image.mode if image.mode in ("L", "CMYK") else "RGB"
        # A gray profile on gray with transparency, or 16 bits, is tried on the gray alone.
        gray = image.mode in ("LA", "1") or image.mode.startswith("I")
        if not _usable(_Bytes(profile), "L" if gray else mode):
            return "its color profile can't be used; its colors are taken for sRGB"
    elif coded := coded_colors(data):
        return f"its colors ({coded}) aren't converted, but taken for sRGB; save it in sRGB"
    elif image.mode == "CMYK":
        return "it is in CMYK without a profile, so its colors are approximate; save it as RGB"
    elif (gamma := image.info.get("gamma")) and abs(gamma - _SRGB_GAMMA) > 0.01 and "srgb" not in image.info:
        return f"its gamma of {gamma:.3g} isn't applied; its colors are taken for sRGB"
    elif _has_other_primaries(image):
        return "its colors aren't those of sRGB, by their chromaticities, but are taken for sRGB; save it in sRGB"
    return ""


def _has_other_primaries(image: Image.Image) -> bool:
    """Whether a PNG without a profile says that its red, green or blue isn't that of sRGB."""
    found = image.info.get("chromaticity", ())[2:]
    return "srgb" not in image.info and any(
        abs(own - usual) > 0.01 for own, usual in zip(found, _SRGB_PRIMARIES, strict=False)
    )


class _Bytes:
    """A profile that is compared by its hash, as the key of a cache."""

    def __init__(self, data: bytes) -> None:
        self.data, self._hash = data, bytes_hash(data)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Bytes) and other._hash == self._hash

    def __hash__(self) -> int:
        return hash(self._hash)


@lru_cache(maxsize=64)
def _transform(profile: _Bytes, mode: str) -> Any:
    """The transform to sRGB; ``None`` if the profile can't be used, or is sRGB within two levels of 255."""
    from PIL import Image, ImageCms

    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile.data))
        transform = ImageCms.buildTransform(
            source,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if mode == "CMYK":
        return transform
    channels = 1 if mode == "L" else 3
    steps = bytes(round(255 * step / 16) for step in range(17))
    values = bytes(v for r in steps for g in steps for b in steps for v in (r, g, b)) if channels == 3 else steps
    cube = Image.frombytes(mode, (len(values) // channels, 1), values)
    plain = cube.convert("RGB").tobytes()
    same = max(abs(a - b) for a, b in zip(plain, transform.apply(cube).tobytes(), strict=True)) <= 2
    return None if same else transform


@lru_cache(maxsize=64)
def _usable(profile: _Bytes, mode: str) -> bool:
    """Whether a profile can be read and is one of this mode."""
    from PIL import ImageCms

    try:
        opened: Any = ImageCms.ImageCmsProfile(io.BytesIO(profile.data)).profile
    except (OSError, ValueError, TypeError):
        return False
    return opened.xcolor_space.strip() == {"L": "GRAY", "CMYK": "CMYK"}.get(mode, "RGB")


def _is_adobe_rgb(image: Image.Image) -> bool:
    """Whether EXIF says Adobe RGB, as cameras do that embed no profile."""
    try:
        return image.getexif().get_ifd(_INTEROPERABILITY).get(1) == "R03"
    except Exception:  # Pillow raises all kinds of errors on damaged EXIF
        return False


def _from_adobe_rgb(image: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    linear = (np.arange(256, dtype=np.float32) / 255) ** _ADOBE_RGB_GAMMA
    values = linear[np.asarray(image)] @ np.asarray(_ADOBE_RGB_TO_SRGB, dtype=np.float32).T
    values = values.clip(0, 1)
    encoded = np.where(values <= 0.0031308, 12.92 * values, 1.055 * values ** (1 / 2.4) - 0.055)
    return Image.fromarray((255 * encoded).round().astype(np.uint8))

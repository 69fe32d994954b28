"""One decoded picture as the arrays that are measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..data.images import decode

if TYPE_CHECKING:
    from PIL import Image

THUMB = 64
"""Side of the square thumbnail for signatures and traits, in pixels."""
_ENOUGH = 1 << 20
"""Number of pixels to measure at a picture's own size; of larger pictures, only every second or third band of rows."""
_BAND = 64
"""Height of a band, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """A picture at the training resolution, at its own size, and as a thumbnail."""

    training: np.ndarray
    """RGB (H, W, 3), uint8, with the shorter side of training; smaller pictures keep their size."""
    luma: np.ndarray
    """Brightness (H, W) of ``training``, float32, 0 to 255."""
    own: list[np.ndarray]
    """Bands (h, W) of brightness, float32, 0 to 255, at the picture's own size, scaled down to no less than twice the
    training resolution, since finer detail isn't learned. A small picture is a single band."""
    thumb: np.ndarray
    """RGB (THUMB, THUMB, 3), uint8, whatever the aspect ratio."""
    scale: int
    """Factor by which the picture was scaled down for ``own``."""


def views(data: bytes, name: str, side: int) -> Views:
    """Decode a picture once.

    JPEGs with more than four times the side of training are decoded at a fraction of their size, which is much faster.

    Args:
        data: the encoded picture.
        name: for messages.
        side: shorter side of training pictures, in pixels.

    Raises:
        DatasetError: it can't be decoded.
    """
    from PIL import Image

    full = decode(data, name, at_least=2 * side)
    reduced = max(1, min(full.size) // (2 * side))
    stored = full.reduce(reduced) if reduced > 1 else full
    shown = _resized(stored, side)
    resampling = Image.Resampling.BOX if min(shown.size) >= THUMB else Image.Resampling.BILINEAR
    return Views(
        training=np.asarray(shown),
        luma=np.asarray(shown.convert("L"), np.float32),
        own=_bands(stored),
        thumb=np.asarray(shown.resize((THUMB, THUMB), resampling)),
        scale=reduced,
    )


def _resized(picture: Image.Image, side: int) -> Image.Image:
    """Scaled down to a shorter side of ``side`` pixels; smaller pictures are unchanged."""
    from PIL import Image

    share = side / min(picture.size)
    if share >= 1:
        return picture
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=1.1)


def _bands(picture: Image.Image) -> list[np.ndarray]:
    gray = np.asarray(picture.convert("L"))
    every = -(-gray.size // _ENOUGH)
    if every == 1:
        return [gray.astype(np.float32)]
    starts = range(0, gray.shape[0] - _BAND + 1, every * _BAND)
    return [gray[start : start + _BAND].astype(np.float32) for start in starts]

"""One decoded picture as the arrays that the measures look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..data.images import decode

if TYPE_CHECKING:
    from PIL.Image import Image

THUMB = 64
"""Side of the square that signatures and traits are read from, in pixels."""
_ENOUGH = 1 << 20
"""Pixels of a picture in its own size that are looked at; of larger ones, every second or third band of rows."""
_BAND = 64


@dataclass(frozen=True, kw_only=True)
class Views:
    """A picture as training sees it, as it is stored, and as a thumbnail."""

    training: np.ndarray
    """RGB (H, W, 3), uint8, shorter side as in training; smaller pictures keep their size."""
    luma: np.ndarray
    """Brightness (H, W) of the above, float32, 0 to 255."""
    own: list[np.ndarray]
    """Bands (h, W) of brightness, float32, 0 to 255, in the picture's own size, or in one of at least twice the
    training's, since finer detail can't be learned. All have the height of a band, but the only one of a small
    picture."""
    thumb: np.ndarray
    """RGB (THUMB, THUMB, 3), uint8, whatever the aspect."""
    scale: int
    """The picture was reduced so many times to ``own``."""


def views(data: bytes, name: str, side: int) -> Views:
    """Decode a picture once.

    JPEGs of more than four times the training's side are decoded at a fraction of their size, which is much faster.

    Args:
        data: the encoded picture.
        name: for messages.
        side: shorter side of training pictures, in pixels.

    Raises:
        DatasetError: it can't be decoded.
    """
    full = decode(data, name, at_least=2 * side)
    reduced = max(1, min(full.size) // (2 * side))
    stored = full.reduce(reduced) if reduced > 1 else full
    shown = _resized(stored, side)
    training = np.asarray(shown)
    return Views(
        training=training,
        luma=np.asarray(shown.convert("L"), np.float32),
        own=_bands(stored),
        thumb=_thumb(shown),
        scale=reduced,
    )


def _resized(picture: Image, side: int) -> Image:
    """The shorter side as ``side`` pixels; a smaller picture as it is."""
    from PIL import Image

    share = side / min(picture.size)
    if share >= 1:
        return picture
    size = (max(1, round(picture.width * share)), max(1, round(picture.height * share)))
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=1.1)


def _thumb(picture: Image) -> np.ndarray:
    from PIL import Image

    how = Image.Resampling.BOX if min(picture.size) >= THUMB else Image.Resampling.BILINEAR
    return np.asarray(picture.resize((THUMB, THUMB), how))


def _bands(picture: Image) -> list[np.ndarray]:
    gray = np.asarray(picture.convert("L"))
    every = -(-gray.size // _ENOUGH)
    if every == 1:
        return [gray.astype(np.float32)]
    starts = range(0, gray.shape[0] - _BAND + 1, every * _BAND)
    return [gray[start : start + _BAND].astype(np.float32) for start in starts]

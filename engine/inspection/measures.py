"""All measures of one picture, cached by its content."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.errors import DatasetError
from ..core.lru import LRU
from ..data.dataset import ImageRecord
from ..data.images import jpeg_tables
from ..data.references import Reference
from .borders import Borders, borders
from .compression import blockiness, jpeg_quality
from .exposure import Exposure, exposure, noise
from .sharpness import Detail, Sharpness, detail, sharpness
from .signature import Signature, signature
from .traits import Traits, traits
from .views import THUMB, views


@dataclass(frozen=True, kw_only=True)
class Measures:
    """Measures of one picture."""

    sharpness: Sharpness
    detail: Detail
    exposure: Exposure
    noise: float
    blockiness: float
    jpeg_quality: int | None
    borders: Borders
    signature: Signature
    traits: Traits
    colors: np.ndarray
    """RGB (32, 32, 3), uint8, of the picture scaled to a square."""
    reduced: int
    """Factor by which the picture was scaled down before measuring its own pixels."""


_KEPT: LRU[Measures] = LRU(10_000)
"""About 8 kB each."""

Picture = ImageRecord | Reference
Measured = Measures | DatasetError


def measure(record: Picture, side: int) -> Measures:
    """Measure a picture, or return the cached measures of the same bytes.

    Args:
        record: a picture of any data set, or one before editing.
        side: shorter side of training pictures, in pixels.

    Raises:
        DatasetError: the picture is missing, damaged, or has changed since the data set was read.
    """
    return _KEPT.get((record.content_hash, side), lambda: _measure(record, side))


def _measure(record: Picture, side: int) -> Measures:
    data = record.read()
    seen = views(data, record.name, side)
    return Measures(
        sharpness=sharpness(seen.luma),
        detail=detail(seen.luma, seen.own),
        exposure=exposure(seen.training, seen.luma),
        noise=noise(seen.own),
        blockiness=blockiness(seen.own) if seen.scale == 1 else 0.0,
        jpeg_quality=jpeg_quality(jpeg_tables(data, record.name)),
        borders=borders(seen.training),
        signature=signature(seen.thumb),
        traits=traits(seen.thumb),
        colors=seen.thumb.reshape(THUMB // 2, 2, THUMB // 2, 2, 3).mean(axis=(1, 3)).astype(np.uint8),
        reduced=seen.scale,
    )


def try_measure(record: Picture, side: int) -> Measured:
    """Like ``measure``, but returns the error, so that one bad file doesn't stop the others."""
    try:
        return measure(record, side)
    except DatasetError as error:
        return error

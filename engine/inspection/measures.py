"""All measures of one picture, cached by its content."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from ..core.errors import DatasetError
from ..data.dataset import ImageRecord
from ..data.images import jpeg_tables
from .borders import Borders, borders
from .compression import blockiness, jpeg_quality
from .exposure import Exposure, exposure, noise
from .sharpness import Detail, Sharpness, detail, sharpness
from .signature import Signature, signature
from .traits import Traits, traits
from .views import views


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
    reduced: int
    """Factor by which the picture was scaled down before measuring its own pixels."""


def measure(record: ImageRecord, side: int) -> Measures:
    """Measure a picture, or return the cached measures of the same bytes.

    Args:
        record: a picture of any data set.
        side: shorter side of training pictures, in pixels.

    Raises:
        DatasetError: the picture is missing, damaged, or has changed since the data set was read.
    """
    key = (record.content_hash, side)
    known = _CACHE.get(key)
    if known is None:
        known = _measure(record, side)
        _CACHE.put(key, known)
    return known


def _measure(record: ImageRecord, side: int) -> Measures:
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
        reduced=seen.scale,
    )


class _Cache:
    """The most recently used measures, by content; about 5 kB each."""

    MAX_ENTRIES = 10_000

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, int], Measures] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple[str, int]) -> Measures | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[str, int], measures: Measures) -> None:
        with self._lock:
            self._kept[key] = measures
            while len(self._kept) > self.MAX_ENTRIES:
                self._kept.popitem(last=False)


_CACHE = _Cache()


def try_measure(record: ImageRecord, side: int) -> Measures | DatasetError:
    """Like ``measure``, but returns the error, so that one bad file doesn't stop the others."""
    try:
        return measure(record, side)
    except DatasetError as error:
        return error

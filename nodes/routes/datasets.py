"""Data sets as galleries show them: records, thumbnails and masks."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from ...engine.core.lru import LRU
from ..kit.galleries import Shown, kept_dataset
from .table import MOST_AT_ONCE, PREFIX, Answer, Asked, Route, json_answer, missing

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...engine.data.dataset import ImageRecord

_LARGEST = 1536
"""Pixels of a thumbnail's longer side."""
_SMALLEST = 32
_USUAL = 192
_CACHED_BYTES = 64 * 2**20
_QUALITY = 82
_MASKED = (255, 40, 40)
"""Color over what a mask takes out."""
_OPACITY = 0.65
"""Of it where a mask takes out everything."""
_DAY = "private, max-age=86400"
_NO_PICTURE = "The data set has no such picture."
_CACHE: LRU[bytes] = LRU(20_000, most_bytes=_CACHED_BYTES, size=len)


def dataset(asked: Asked) -> Answer:
    """Records of a data set, from the number ``from`` on.

    Not to know it is no error, as after each start: pages would have it on their consoles.
    """
    shown = _shown(asked)
    if shown is None:
        return json_answer({"known": False})
    first = asked.whole("from", 0, len(shown.dataset))
    count = asked.whole("count", MOST_AT_ONCE, MOST_AT_ONCE)
    records = shown.dataset.records[first : first + count]
    told = {
        "known": True,
        "name": shown.dataset.name,
        "total": len(shown.dataset),
        "from": first,
        "records": [shown.values(record) for record in records],
    }
    return json_answer(told)


def thumbnail(asked: Asked) -> Answer:
    """A picture of a data set, ``side`` pixels on the longer side at most.

    Raises:
        DatasetError: the file is missing, damaged, or has changed since the data set was read.
    """
    record = _record(asked)
    if record is None:
        return missing(_NO_PICTURE)
    side = _side(asked)
    return _webp(_CACHE.get(("picture", record.content_hash, side), lambda: _thumbnail(record, side)))


def mask(asked: Asked) -> Answer:
    """Red, the stronger the less the mask lets a pixel count, to lie over the picture; ``side`` as for a thumbnail.

    Raises:
        DatasetError: the mask's file is missing, damaged, or has changed since the data set was read.
    """
    record = _record(asked)
    own = record.mask if record else None
    if own is None or not own.weighs:
        return missing(_NO_PICTURE)
    side = _side(asked)
    key = ("mask", own.content_hash, own.channel, own.floor, side)
    return _webp(_CACHE.get(key, lambda: _overlay(own.load(), side, 1 - own.floor)))


def _shown(asked: Asked) -> Shown | None:
    return kept_dataset(asked.query.get("token", ""))


def _record(asked: Asked) -> ImageRecord | None:
    """The record that is meant. Only records have files: no path is made of what was asked."""
    shown = _shown(asked)
    return shown.by_name.get(asked.query.get("name", "")) if shown else None


def _side(asked: Asked) -> int:
    return max(_SMALLEST, asked.whole("side", _USUAL, _LARGEST))


def _thumbnail(record: ImageRecord, side: int) -> bytes:
    shorter = max(1, side * min(record.width, record.height) // max(record.width, record.height))
    picture = record.load(at_least=shorter)
    picture.thumbnail((side, side))
    return _encoded(picture)


def _overlay(own: Image, side: int, strength: float) -> bytes:
    from PIL import Image

    own.thumbnail((side, side))
    over = Image.new("RGBA", own.size, (*_MASKED, 0))
    over.putalpha(own.point([round((255 - value) * _OPACITY * strength) for value in range(256)]))
    return _encoded(over)


def _encoded(picture: Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=_QUALITY)
    return buffer.getvalue()


def _webp(content: bytes) -> Answer:
    return Answer(content, "image/webp", headers={"Cache-Control": _DAY})


ROUTES = [
    Route("GET", f"{PREFIX}dataset", dataset),
    Route("GET", f"{PREFIX}thumbnail", thumbnail),
    Route("GET", f"{PREFIX}mask", mask),
]

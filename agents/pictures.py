"""Pictures as agents get them: small enough for a conversation; the files themselves stay as they are."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL import Image

MOST_BYTES = 600_000
"""Of all pictures of one answer: some clients refuse answers of more than a megabyte, and base64 adds a third."""
_SIDES = (1024, 768, 512, 384, 256)
"""Pixels of the longer side, tried in order until a picture is small enough."""
_QUALITIES = (90, 75)


class Small(NamedTuple):
    """A picture that fits."""

    data: bytes
    mime_type: str


def small(paths: Sequence[Path], most: int = MOST_BYTES) -> list[Small | None]:
    """Pictures, bounded in size together; ``None`` for those that can't be read. Those that are small enough as PNG
    keep every pixel.

    Args:
        paths: of the pictures.
        most: bytes of all of them.
    """
    return [_small(path, most // len(paths)) for path in paths]


def preview_of(path: Path) -> bytes | None:
    """The picture beside an adapter, bounded in size; ``None`` if it can't be read."""
    found = _small(path, MOST_BYTES // 4)
    return found.data if found else None


def mime_type_of(data: bytes) -> str:
    """Of a picture of :func:`small`, or of one that another server has made small."""
    begins = {b"\x89PNG": "image/png", b"\xff\xd8": "image/jpeg"}
    return next((name for begin, name in begins.items() if data.startswith(begin)), "image/webp")


def _small(path: Path, most: int) -> Small | None:
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.load()
            return next((made for made in _tries(image.convert("RGB")) if len(made.data) <= most), None)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None


def _tries(image: Image.Image) -> Iterator[Small]:
    if max(image.size) <= _SIDES[0]:
        yield Small(_encoded(image, "PNG", optimize=True), "image/png")
    for side in _SIDES:
        smaller = image.copy()
        smaller.thumbnail((side, side))
        for quality in _QUALITIES:
            yield Small(_encoded(smaller, "JPEG", quality=quality), "image/jpeg")


def _encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()

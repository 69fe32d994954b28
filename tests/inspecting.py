"""Data sets of pictures in memory, and the whole inspection of them in one call."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

from generators import result
from lora_workbench.engine.core.hashing import bytes_hash
from lora_workbench.engine.data.dataset import Dataset, ImageRecord, TriggerWord
from lora_workbench.engine.data.sources import MemorySource
from lora_workbench.engine.inspection.inspector import inspect
from lora_workbench.engine.inspection.report import Inspection
from PIL import Image

Pictures = Mapping[str, Image.Image]
SIDE = 300
"""At most the shorter side of the photographs, so that their size is no flaw."""


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def record(name: str, data: bytes, size: tuple[int, int], caption: str | None = None) -> ImageRecord:
    source = MemorySource(name, data)
    return ImageRecord(source=source, content_hash=bytes_hash(data), width=size[0], height=size[1], caption=caption)


def dataset_of(pictures: Pictures, captions: Mapping[str, str | None] | None = None, word: str = "") -> Dataset:
    records = [
        record(name, encoded(image), image.size, (captions or {}).get(name, f"{name} seen from the front outdoors"))
        for name, image in pictures.items()
    ]
    return Dataset(name="set", records=tuple(records), trigger=TriggerWord(word=word) if word else None)


def inspected(pictures: Pictures, **options: Any) -> Inspection:
    return result(inspect(dataset_of(pictures), side=options.pop("side", SIDE), **options))


def kinds(inspection: Inspection) -> dict[str, set[str]]:
    """Name of each picture -> the kinds of its flags."""
    return {
        record.name: {flag.kind for flag in picture.flags}
        for record, picture in zip(inspection.dataset, inspection.pictures, strict=True)
    }

"""Data sets of captions, without pixels."""

from __future__ import annotations

from collections.abc import Mapping

from lora_workbench.engine.data.dataset import Dataset, ImageRecord, TriggerWord
from lora_workbench.engine.data.sources import MemorySource


def dataset_of(captions: Mapping[str, str | None], trigger: TriggerWord | None = None) -> Dataset:
    """A data set with these names and captions."""
    records = [
        ImageRecord(source=MemorySource(name, b""), content_hash=name, width=8, height=8, caption=caption)
        for name, caption in captions.items()
    ]
    return Dataset(name="x", records=tuple(records), trigger=trigger)

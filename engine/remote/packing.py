"""The pictures as each provider wants them, and what of a data set it has no place for."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

from ..core.errors import RemoteError
from ..core.events import Event, Message
from ..core.words import first_of
from ..data.dataset import Dataset
from ..data.saving import save_dataset


def packed(dataset: Dataset, folder: Path, layout: str, most: int = 0) -> Generator[Event, None, Path]:
    """A zip in the layout of a provider, as *Save Data Set* writes it.

    Args:
        dataset: the pictures, sent as they are shown.
        folder: for the zip.
        layout: one of ``data.layouts.ARCHIVES``.
        most: bytes that the provider takes; 0 for any number.

    Raises:
        RemoteError: it is larger.
    """
    saved = yield from save_dataset(dataset, folder / "pictures", layout)
    for note in saved.notes:
        yield Message(text=f"{dataset.name}: {note}")
    size = saved.path.stat().st_size
    if most and size > most:
        raise RemoteError(
            f"The pictures of {dataset.name} take {size / 1e6:.0f} MB as a zip.",
            expected=f"at most {most / 1e6:.0f} MB, which is what this provider takes",
            hint="save them smaller, by LW_BucketDataset and LW_SaveDataset with pictures = crops, or use fewer.",
        )
    return saved.path


def left_out(dataset: Dataset) -> Iterator[str]:
    """What pictures that are sent one by one don't say, one sentence each."""
    if masks := sum(record.mask is not None for record in dataset):
        yield f"This trainer doesn't use masks: {masks} were left out."
    if repeated := [record.name for record in dataset if record.repeats > 1]:
        yield f"This trainer has no repeats, so each picture is sent once: {first_of(repeated)}."
    if any(record.crops for record in dataset):
        yield "Crops aren't sent, but whole pictures; the trainer makes its own buckets."

"""Several data sets as one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..core.errors import DatasetError
from ..core.words import first_of
from .dataset import Dataset, ImageRecord, TriggerWord
from .sources import RenamedSource


def joined(parts: Sequence[Dataset]) -> Dataset:
    """All pictures of several data sets, in order, each with its caption, repeats, mask, reference, crops and trigger
    word.

    Names get that of their data set in front, as if it were a folder.

    Args:
        parts: at least two.

    Raises:
        DatasetError: a picture, or a pair, is in two of them; its repeats would be counted twice unseen.
    """
    seen: dict[tuple[str, str | None], str] = {}
    shared: list[str] = []
    records, skipped, notes = [], [], []
    for folder, part in zip(_folders(parts), parts, strict=True):
        for record in part:
            name = f"{folder}/{record.name}"
            if _content(record) in seen:
                shared.append(f"{name} = {seen[_content(record)]}")
            records.append(_renamed(record, folder, record.trigger or part.trigger))
        seen |= {_content(record): f"{folder}/{record.name}" for record in part}
        skipped += [replace(file, name=f"{folder}/{file.name}") for file in part.skipped]
        notes += [replace(note, name=f"{folder}/{note.name}") for note in part.notes]
    if shared:
        raise DatasetError(
            f"{len(shared)} pictures are in two of the data sets: {first_of(shared)}",
            expected="each picture in one data set",
            hint="remove them from one; to show pictures more often, use repeats.",
        )
    triggers = {record.trigger for record in records}
    whole = Dataset(
        name=" and ".join(part.name for part in parts),
        records=tuple(records),
        skipped=tuple(skipped),
        notes=tuple(notes),
    )
    if len(triggers) > 1:
        return whole
    return replace(whole, records=tuple(replace(r, trigger=None) for r in records), trigger=triggers.pop())


def _content(record: ImageRecord) -> tuple[str, str | None]:
    """What makes a picture the same in two data sets; one result may have been edited from several pictures."""
    return record.content_hash, record.reference.content_hash if record.reference else None


def _renamed(record: ImageRecord, folder: str, trigger: TriggerWord | None) -> ImageRecord:
    source, reference = RenamedSource(record.source, f"{folder}/{record.name}"), record.reference
    if reference:
        reference = replace(reference, source=RenamedSource(reference.source, f"{folder}/{reference.name}"))
    return replace(record, source=source, reference=reference, trigger=trigger)


def _folders(parts: Sequence[Dataset]) -> list[str]:
    """The names of the data sets; those that repeat one get a number."""
    folders: list[str] = []
    for part in parts:
        name, number = part.name, 2
        while name in folders:
            name, number = f"{part.name} {number}", number + 1
        folders.append(name)
    return folders

"""Saving a data set, in a layout that this project and other trainers read."""

from __future__ import annotations

import zipfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from ..core.events import Event, Progress
from ..core.storage import adding
from .dataset import Dataset
from .layouts import ARCHIVES, PlannedFile, plan

_DAY_ONE = (1980, 1, 1, 0, 0, 0)
"""The time stamp of every member, so that equal data sets give equal archives."""


@dataclass(frozen=True, kw_only=True)
class SavedDataset:
    """A data set on disk."""

    path: Path
    """The folder or the archive."""
    files: tuple[Path, ...]
    """The archive, or every file of the folder."""
    notes: tuple[str, ...]
    """Notes for the user, one sentence each."""


def save_dataset(dataset: Dataset, path: Path, layout: str) -> Generator[Event, None, SavedDataset]:
    """Write a whole data set, or nothing.

    Args:
        dataset: its pictures are copied byte by byte, one at a time.
        path: a folder, or for an archive a name to which ``.zip`` is added. Nothing is ever replaced: a different data
            set gets a number after its name, and an identical one is not written again.
        layout: one of ``layouts.LAYOUTS``.

    Raises:
        DatasetError: the layout can't hold the data set, or a picture is missing or has changed.
        StorageError: the disk is full, or the folder isn't writable.
    """
    planned = plan(dataset, layout)
    archive = layout in ARCHIVES
    with adding(path.with_name(f"{path.name}.zip") if archive else path) as draft:
        write = _write_archive if archive else _write_folder
        yield from write(planned.files, draft.temporary)
    files = (draft.path,) if archive else tuple(draft.path / file.name for file in planned.files)
    return SavedDataset(path=draft.path, files=files, notes=planned.notes)


def _write_folder(files: tuple[PlannedFile, ...], root: Path) -> Generator[Event, None, None]:
    for number, file in enumerate(files, 1):
        place = root / file.name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(file.content())
        yield Progress(done=number, total=len(files), label="writing the data set")


def _write_archive(files: tuple[PlannedFile, ...], path: Path) -> Generator[Event, None, None]:
    """Stored, not deflated: pictures are already compressed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for number, file in enumerate(files, 1):
            info = zipfile.ZipInfo(file.name, _DAY_ONE)
            info.external_attr = 0o644 << 16
            archive.writestr(info, file.content())
            yield Progress(done=number, total=len(files), label="writing the data set")

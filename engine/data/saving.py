"""Saving a data set, in a layout that this project and other trainers read."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.events import Event, Progress
from ..core.storage import adding
from .dataset import Dataset
from .export_notes import notes, renamed_in_words, traits_in_words
from .exporting import Pictures, Trait, exports
from .layouts import ARCHIVES, plan

_DAY_ONE = (1980, 1, 1, 0, 0, 0)
"""The time stamp of every member, so that equal data sets give equal archives."""


@dataclass(frozen=True, kw_only=True)
class SavedDataset:
    """A data set on disk."""

    path: Path
    """The folder or the archive."""
    files: tuple[Path, ...]
    """The archive, or every file of the folder."""
    pictures: int
    """Number of pictures, copies, crops and variants included."""
    notes: tuple[str, ...]
    """Notes for the user, one sentence each."""


def save_dataset(
    dataset: Dataset, path: Path, layout: str, pictures: Pictures = "as shown"
) -> Generator[Event, None, SavedDataset]:
    """Write a whole data set, or nothing.

    Args:
        dataset: its pictures are read one at a time.
        path: a folder, or for an archive a name to which ``.zip`` is added. Nothing is ever replaced: a different data
            set gets a number after its name, and an identical one is not written again.
        layout: one of ``layouts.LAYOUTS``.
        pictures: what to write of each picture, as for ``exporting.exports``. A file whose pixels are what is shown is
            copied byte by byte.

    Raises:
        DatasetError: the layout can't hold the data set, there are no crops to save, or a picture is missing, damaged
            or has changed.
        StorageError: the disk is full, or the folder isn't writable.
    """
    planned = plan(dataset, exports(dataset, pictures), layout)
    archive = layout in ARCHIVES
    traits: dict[Trait, list[str]] = {}
    names: list[str] = []
    written: dict[str, str] = {}
    place, opened = (path.with_name(f"{path.name}.zip"), _archive) if archive else (path, _folder)
    with adding(place) as draft, opened(draft.temporary) as write:
        for number, (picture, files) in enumerate(planned.files, 1):
            for file in files:
                write(file.name, file.data)
                names.append(file.name)
                for trait in file.traits:
                    traits.setdefault(trait, []).append(picture)
            if picture:
                written.setdefault(picture, files[0].name)
                yield Progress(done=number, total=planned.pictures, label="writing the data set")
    return SavedDataset(
        path=draft.path,
        files=(draft.path,) if archive else tuple(draft.path / name for name in names),
        pictures=planned.pictures,
        notes=(*traits_in_words(traits, pictures), *renamed_in_words(written), *notes(dataset, layout, pictures)),
    )


Write = Callable[[str, bytes], None]


@contextlib.contextmanager
def _folder(root: Path) -> Iterator[Write]:
    def write(name: str, data: bytes) -> None:
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)

    yield write


@contextlib.contextmanager
def _archive(path: Path) -> Iterator[Write]:
    """Stored, not deflated: pictures are already compressed."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:

        def write(name: str, data: bytes) -> None:
            info = zipfile.ZipInfo(name, _DAY_ONE)
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)

        yield write

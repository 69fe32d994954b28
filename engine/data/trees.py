"""One interface to the files of a folder and of a zip archive."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..core.errors import DatasetError
from ..core.hashing import value_hash
from .archives import open_archive, read_member, safe_members
from .sources import FileSource, ImageSource, ZipSource, read_file

EXPECTED = "a folder of pictures, or a zip archive of one"


class FileTree(Protocol):
    """Files below one root."""

    def names(self) -> list[str]:
        """Paths relative to the root, with forward slashes, in any order; hidden files are left out."""
        ...

    def read(self, name: str, limit: int) -> bytes:
        """A file's bytes.

        Raises:
            DatasetError: it can't be read, or is larger than ``limit`` bytes.
        """
        ...

    def source(self, name: str) -> ImageSource:
        """The file as a source that can be read after the tree is closed."""
        ...


@dataclass(frozen=True)
class FolderTree:
    """The files of a folder and its subfolders; links are followed, but not in circles."""

    root: Path

    def names(self) -> list[str]:
        return [name for name, _ in _entries(self.root)]

    def read(self, name: str, limit: int) -> bytes:
        return read_file(self.root, name, limit)

    def source(self, name: str) -> FileSource:
        return FileSource(self.root, name)


class ZipTree:
    """The members of an open zip archive."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        self._members = safe_members(archive, path)

    def names(self) -> list[str]:
        return [name for name in self._members if not any(map(_is_hidden, name.split("/")))]

    def read(self, name: str, limit: int) -> bytes:
        return read_member(self._archive, self._members[name], limit)

    def source(self, name: str) -> ZipSource:
        return ZipSource(self._path, self._members[name].filename)


@contextlib.contextmanager
def open_tree(path: Path) -> Iterator[FileTree]:
    """Open a folder or a zip archive.

    Raises:
        DatasetError: the archive can't be opened or isn't safe.
    """
    if path.is_dir():
        yield FolderTree(path)
        return
    with open_archive(path) as archive:
        yield ZipTree(path, archive)


def folder_fingerprint(path: str | Path) -> str:
    """A cheap hash that changes when files are added, removed or rewritten; no content is read.

    Covers relative name, size in bytes and modification time of each file in a folder that isn't hidden, or size and
    modification time of a zip archive.

    Raises:
        DatasetError: there is nothing at the path, or neither a folder nor a zip archive.
    """
    path = existing(path)
    if path.is_dir():
        return value_hash(sorted([name, *_stamp(entry)] for name, entry in _entries(path)))
    return value_hash(_stamp(path))


def _stamp(file: Path | os.DirEntry[str]) -> list[int]:
    try:
        status = file.stat()
    except OSError:  # a broken link, or a file that was just deleted
        return [-1, -1]
    return [status.st_size, status.st_mtime_ns]


def existing(path: str | Path) -> Path:
    """The path, after checking that a folder or a zip archive is there.

    Raises:
        DatasetError: there is nothing at the path, or something else.
    """
    if not str(path).strip():
        raise DatasetError("The path is empty.", expected=EXPECTED, hint="fill in the path.")
    path = Path(path)
    if not path.exists():
        raise DatasetError(
            f"There is no folder or archive at {path}.", expected=EXPECTED, hint="check the spelling of the path."
        )
    if path.is_dir() or zipfile.is_zipfile(path):
        return path
    damaged = path.suffix.lower() == ".zip"
    raise DatasetError(
        f"{path} is {'a damaged zip archive' if damaged else 'neither a folder nor a zip archive'}.",
        expected=EXPECTED,
        hint="copy or zip it again." if damaged else "choose the folder that contains the pictures.",
    )


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"


def _entries(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Relative name and entry of every file below ``root`` that isn't hidden."""

    def walk(folder: str, prefix: str, above: frozenset[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
        real = os.path.realpath(folder)
        if real in above:
            return
        with os.scandir(folder) as found:
            entries = [entry for entry in found if not _is_hidden(entry.name)]
        for entry in entries:
            if entry.is_dir():
                yield from walk(entry.path, f"{prefix}{entry.name}/", above | {real})
            else:
                yield prefix + entry.name, entry

    try:
        yield from walk(str(root), "", frozenset())
    except OSError as error:
        raise DatasetError(
            f"{error.filename or root} can't be listed ({error.strerror or error}).",
            expected="a readable folder",
            hint="change its permissions, or remove it from the data set.",
        ) from error

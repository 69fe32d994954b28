"""One interface to the files of a folder and of a zip archive."""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ..core.errors import DatasetError
from ..core.hashing import bytes_hash, value_hash
from ..core.stamps import file_stamp
from . import limits
from .archives import open_archive, read_member, read_member_head, safe_members
from .dataset import Note
from .file_types import HEAD_BYTES
from .folders import is_system
from .listing import CAPTION_EXTENSIONS, TABLE_EXTENSIONS
from .sources import FileSource, ImageSource, ZipSource, read_file, read_head

_TEXTS = ((CAPTION_EXTENSIONS, limits.MAX_CAPTION_BYTES), (TABLE_EXTENSIONS, limits.MAX_TABLE_BYTES))
"""Endings of files with captions, and the most bytes that are read of one."""
EXPECTED = "a folder of pictures, or a zip archive of one"


class FileTree(Protocol):
    """Files below one root."""

    def names(self) -> list[str]:
        """Paths relative to the root, with forward slashes, in any order; hidden files are left out."""
        ...

    def hidden(self) -> list[str]:
        """Hidden files and those of operating systems; a whole folder of them ends with a slash."""
        ...

    def remarks(self) -> list[Note]:
        """What is worth knowing of the tree as a whole."""
        ...

    def head(self, name: str) -> bytes:
        """A file's first ``file_types.HEAD_BYTES`` bytes; empty if it can't be read."""
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


class FolderTree:
    """The files of a folder and its subfolders; links are followed, but not in circles."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._names = [name for name, _ in _entries(root)]

    def names(self) -> list[str]:
        return [name for name in self._names if not _is_hidden(name)]

    def hidden(self) -> list[str]:
        return [name for name in self._names if _is_hidden(name)]

    def remarks(self) -> list[Note]:
        return []

    def head(self, name: str) -> bytes:
        return read_head(self.root / name, HEAD_BYTES)

    def read(self, name: str, limit: int) -> bytes:
        return read_file(self.root, name, limit)

    def source(self, name: str) -> FileSource:
        return FileSource(self.root, name)


class ZipTree:
    """The members of an open zip archive."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self._path, self._archive = path, archive
        self._members, self._encoding = safe_members(archive, path)

    def names(self) -> list[str]:
        return [name for name in self._members if not any(map(is_system, name.split("/")))]

    def hidden(self) -> list[str]:
        found: dict[str, None] = {}
        for parts in (name.split("/") for name in self._members):
            at = next((at for at, part in enumerate(parts) if is_system(part)), None)
            if at is not None:
                found["/".join(parts[: at + 1]) + ("/" if at + 1 < len(parts) else "")] = None
        return list(found)

    def head(self, name: str) -> bytes:
        return read_member_head(self._archive, self._members[name], HEAD_BYTES)

    def read(self, name: str, limit: int) -> bytes:
        return read_member(self._archive, self._members[name], limit)

    def source(self, name: str) -> ZipSource:
        return ZipSource(self._path, self._members[name].filename, name)

    def remarks(self) -> list[Note]:
        if self._encoding in ("", "utf-8"):
            return []
        found = f"its file names don't say their encoding; they were read as {self._encoding}"
        return [Note(name=self._path.name, text=f"{found}. If they look wrong, zip the folder again")]


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
    """A cheap hash that changes when files are added, removed, rewritten or swapped.

    Covers the name and the stamp (``engine.core.stamps``) of each file in a folder that isn't hidden, and the content
    of text files and tables, which may be edited without changing their size and time; or the stamp of a zip archive.

    Raises:
        DatasetError: there is nothing at the path, or neither a folder nor a zip archive.
    """
    path = existing(path)
    if not path.is_dir():
        return value_hash(file_stamp(path))
    found = ((name, entry) for name, entry in _entries(path) if not _is_hidden(name))
    return value_hash(sorted([name, *_stamp(name, entry)] for name, entry in found))


def _stamp(name: str, entry: os.DirEntry[str]) -> list[int | str]:
    stamp = file_stamp(entry)
    limit = next((limit for endings, limit in _TEXTS if name.lower().endswith(endings)), -1)
    return [*stamp, bytes_hash(read_head(Path(entry.path), limit)) if 0 <= stamp[0] <= limit else ""]


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


def _is_hidden(name: str) -> bool:
    """Whether a name that :func:`_entries` gives is hidden, or a system's; what lies in such a folder isn't listed."""
    return is_system(name.removesuffix("/").rpartition("/")[2])


def _entries(root: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Relative name and entry of every file below ``root``; hidden folders as a whole, with a slash at the end."""

    def walk(folder: str, prefix: str, above: frozenset[str]) -> Iterator[tuple[str, os.DirEntry[str]]]:
        real = os.path.realpath(folder)
        if real in above:
            return
        with os.scandir(folder) as found:
            entries = list(found)
        for entry in entries:
            name = prefix + entry.name
            if not entry.is_dir():
                yield name, entry
            elif is_system(entry.name):
                yield f"{name}/", entry
            else:
                yield from walk(entry.path, f"{name}/", above | {real})

    try:
        yield from walk(str(root), "", frozenset())
    except OSError as error:
        raise DatasetError(
            f"{error.filename or root} can't be listed ({error.strerror or error}).",
            expected="a readable folder",
            hint="change its permissions, or remove it from the data set.",
        ) from error

"""A series of numbered files in which nothing is saved twice."""

from __future__ import annotations

import re
from pathlib import Path

from .storage import free_name, write_bytes


class NumberedFiles:
    """The files ``stem_00001.suffix``, ``stem_00002.suffix``, … of one call of a node.

    What an earlier call has saved is taken up: a run that was killed between two files goes on after them when it is
    started again. Files that are equal within one call are all saved.

    Args:
        path: folder, stem and suffix.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._by_size = _numbered_files(path)

    def add(self, data: bytes) -> Path:
        """The file that has these bytes: the first of an earlier call that wasn't taken up yet, or a new one.

        Raises:
            StorageError: the disk is full, or the folder can't be written.
        """
        earlier = self._by_size.get(len(data), [])
        for path in earlier:
            if _holds(path, data):
                earlier.remove(path)
                return path
        path = free_name(self._path)
        write_bytes(path, data)
        return path


def _numbered_files(path: Path) -> dict[int, list[Path]]:
    """Size in bytes -> the files of the series that have it, in order of their numbers."""
    name = re.compile(rf"{re.escape(path.stem)}_(\d{{5,}}){re.escape(path.suffix)}")
    numbers: dict[Path, int] = {}
    for file in path.parent.iterdir() if path.parent.is_dir() else ():
        if (found := name.fullmatch(file.name)) and file.is_file():
            numbers[file] = int(found[1])
    by_size: dict[int, list[Path]] = {}
    for file in sorted(numbers, key=numbers.__getitem__):
        by_size.setdefault(file.stat().st_size, []).append(file)
    return by_size


def _holds(path: Path, data: bytes) -> bool:
    try:
        return path.read_bytes() == data
    except OSError:  # another process may have removed it
        return False

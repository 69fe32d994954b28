"""A series of numbered files in which nothing is saved twice."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from .storage import write_numbered

Span = tuple[int, int]
"""Start and end of some bytes of a file."""


class NumberedFiles:
    """The files ``stem_00001.suffix``, ``stem_00002.suffix``, … of one call of a node.

    What an earlier call has saved is taken up: a run that was killed between two files goes on after them when it is
    started again. Files that are equal within one call are all saved.

    Args:
        path: folder, stem and suffix.
        incidental: finds bytes in which files may differ and still count as the same.
    """

    def __init__(self, path: Path, incidental: Callable[[BinaryIO], Span] = lambda _: (0, 0)) -> None:
        self._path = path
        self._incidental = incidental
        self._by_size: dict[int, list[Path]] = {}
        for file in _numbered_files(path):
            with contextlib.suppress(OSError), open(file, "rb") as opened:  # not readable, so another one
                self._by_size.setdefault(self._essential_size(opened), []).append(file)

    def add(self, data: bytes) -> Path:
        """The file that has these bytes: the first of an earlier call that wasn't taken up yet, or a new one.

        Raises:
            StorageError: the disk is full, or the folder can't be written.
        """
        earlier = self._by_size.get(self._essential_size(io.BytesIO(data)), [])
        for path in earlier:
            with contextlib.suppress(OSError):  # removed in the meantime
                if self._essence(path.read_bytes()) == self._essence(data):
                    earlier.remove(path)
                    return path
        return write_numbered(self._path, data)

    def _essential_size(self, file: BinaryIO) -> int:
        start, end = self._incidental(file)
        return file.seek(0, io.SEEK_END) - (end - start)

    def _essence(self, data: bytes) -> bytes:
        start, end = self._incidental(io.BytesIO(data))
        return data[:start] + data[end:]


def _numbered_files(path: Path) -> list[Path]:
    """The files of the series that are there, in order of their numbers."""
    name = re.compile(rf"{re.escape(path.stem)}_(\d{{5,}}){re.escape(path.suffix)}")
    files = path.parent.iterdir() if path.parent.is_dir() else ()
    numbers = {file: int(found[1]) for file in files if (found := name.fullmatch(file.name)) and file.is_file()}
    return sorted(numbers, key=numbers.__getitem__)

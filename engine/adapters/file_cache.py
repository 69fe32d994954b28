"""Adapter files that have been read are kept in memory for a while."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from ..core.errors import AdapterError
from .files import AdapterFile, read_adapter

MOST_BYTES = 2**30
"""Of all kept files together."""
MOST_FILES = 32


class _Stamp(NamedTuple):
    modified: int
    """Nanoseconds since the epoch."""
    size: int


class FileCache:
    """The adapter files read last, each as long as it stays the same on the disk.

    Args:
        most_bytes: of all kept tensors together; a file larger than that is read each time.
        most_files: how many are kept.
    """

    def __init__(self, *, most_bytes: int = MOST_BYTES, most_files: int = MOST_FILES) -> None:
        self._most_bytes, self._most_files = most_bytes, most_files
        self._files: OrderedDict[Path, tuple[_Stamp, AdapterFile]] = OrderedDict()
        self._lock = Lock()

    def read(self, path: Path) -> AdapterFile:
        """The file, from memory if it is as it was when it was read.

        Raises:
            AdapterError: nothing is there, or the file is damaged.
        """
        with self._lock:
            stamp = _stamp(path)
            known = self._files.pop(path, None)
            if known is None or known[0] != stamp:
                known = (stamp, read_adapter(path))
            self._files[path] = known
            self._shrink()
            return known[1]

    def _shrink(self) -> None:
        """Let go of the files unused for longest until the rest is small enough."""
        total = sum(file.size for _, file in self._files.values())
        while self._files and (total > self._most_bytes or len(self._files) > self._most_files):
            _, (_, file) = self._files.popitem(last=False)
            total -= file.size


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError as error:
        raise AdapterError(
            f"No adapter at {path}.", expected="a .safetensors file", hint="check the name and the folder."
        ) from error
    return _Stamp(status.st_mtime_ns, status.st_size)


FILES = FileCache()
"""The one that all nodes share."""

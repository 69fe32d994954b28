"""A cache of recently read adapter files, each valid until it changes on disk."""

from __future__ import annotations

from pathlib import Path

from ..core.lru import LRU
from .files import AdapterFile, read_adapter
from .folders import state

MOST_FILES, MOST_BYTES = 32, 2**30


class FileCache:
    """Reads adapter files, and keeps recent ones in memory.

    Args:
        most_files: number of files kept.
        most_bytes: of all kept tensors together; larger files are read each time.
    """

    def __init__(self, *, most_files: int = MOST_FILES, most_bytes: int = MOST_BYTES) -> None:
        self._files: LRU[AdapterFile] = LRU(most_files, most_bytes=most_bytes, size=lambda file: file.size)

    def read(self, path: Path) -> AdapterFile:
        """The file, from memory if it hasn't changed since it was read.

        Raises:
            AdapterError: there is no such file, or it is damaged.
        """
        return self._files.get(path, lambda: read_adapter(path), version=str(state(path)))


FILES = FileCache()
"""The cache shared by all nodes."""

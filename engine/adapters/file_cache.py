"""A cache of recently read adapter files, each valid until it changes on disk."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import AdapterError
from ..core.lru import LRU
from .files import AdapterFile, read_adapter

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
        try:
            status = path.stat()
        except OSError as error:
            raise AdapterError(
                f"No adapter at {path}.", expected="a .safetensors file", hint="check the name and the folder."
            ) from error
        return self._files.get(path, lambda: read_adapter(path), version=(status.st_mtime_ns, status.st_size))


FILES = FileCache()
"""The cache shared by all nodes."""

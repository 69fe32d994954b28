"""The manifest of a batch: a file with one line of JSON for each picture, which grows as pictures are drawn."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..core.storage import cannot_write, write_bytes

Line = Mapping[str, Any]
"""What is known of a picture; ``key`` and ``file`` are always there."""


def read_lines(path: Path) -> dict[str, Line]:
    """Key -> line; a later line takes the place of an earlier one of the same picture.

    What isn't a line of a manifest, such as the torn end that a killed process leaves, is passed over.
    """
    found: dict[str, Line] = {}
    with contextlib.suppress(OSError):
        for text in path.read_bytes().split(b"\n"):
            with contextlib.suppress(ValueError, KeyError, TypeError):
                line = json.loads(text)
                found[str(line["key"])] = {**line, "file": str(line["file"])}
    return found


def write_lines(path: Path, lines: Iterable[Line]) -> None:
    """Replace the file atomically, unless it says this already.

    Raises:
        StorageError: the disk is full, or the folder can't be written.
    """
    data = b"".join(map(_encoded, lines))
    with contextlib.suppress(OSError):
        if path.read_bytes() == data:
            return
    write_bytes(path, data)


class Appending:
    """Lines at the end of a manifest, each on disk when :meth:`add` returns.

    Args:
        path: the file; its torn last line, if it has one, is removed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(path, "ab+")  # noqa: SIM115 - closed by close
            self._file.seek(0)
            whole = self._file.read()
            self._file.truncate(whole.rfind(b"\n") + 1)
        except OSError as error:
            raise cannot_write(path, error) from error

    def add(self, lines: Iterable[Line]) -> None:
        """Append lines and flush them to disk.

        Raises:
            StorageError: the disk is full.
        """
        try:
            self._file.write(b"".join(map(_encoded, lines)))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise cannot_write(self._path, error) from error

    def close(self) -> None:
        self._file.close()


def _encoded(line: Line) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"

"""What a data set may hold: bounds that are checked before memory or time is spent on it."""

from __future__ import annotations

from typing import IO

from ..core.errors import DatasetError

MAX_PIXELS = 100_000_000
"""Of one picture, by its header."""
MAX_FILE_BYTES = 512 * 2**20
"""Of one encoded picture."""
MAX_TEXT_BYTES = 16 * 2**20
"""Of one caption or metadata file."""
MAX_MEMBERS = 100_000
"""Of an archive, folders included."""
MAX_ARCHIVE_BYTES = 16 * 2**30
"""Of all members of an archive together, unpacked."""

_PIECE = 2**20


def read_bounded(file: IO[bytes], name: str, limit: int) -> bytes:
    """The rest of ``file``, in pieces, so that an endless one is given up at ``limit`` bytes.

    Raises:
        DatasetError: there is more than ``limit``.
    """
    data = bytearray()
    while piece := file.read(_PIECE):
        data += piece
        if len(data) > limit:
            raise DatasetError(
                f"{name}: it holds more than {limit:,} bytes",
                expected="a picture, caption or metadata file of ordinary size",
                hint="take the file out of the data set.",
            )
    return bytes(data)

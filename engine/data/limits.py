"""Limits of a data set, checked before memory or time is spent on it."""

from __future__ import annotations

from typing import IO

from ..core.errors import DatasetError

MAX_PIXELS = 100_000_000
"""In one picture, according to its header."""
MAX_FILE_BYTES = 512 * 2**20
"""In one encoded picture."""
MAX_CAPTION_BYTES = 64 * 2**10
"""In one caption file: about ten thousand words."""
MAX_TABLE_BYTES = 16 * 2**20
"""In one table of captions."""
MAX_TEXT_BYTES = 64 * 2**20
"""In all captions and tables of a data set."""
MAX_TABLE_ROWS = 100_000
"""In one table of captions."""
MAX_CHARACTERS = 20_000
"""In a caption or prompt. The longest that models write have a tenth of this; longer texts are no captions, and would
take hours to encode."""
MAX_MEMBERS = 100_000
"""In an archive, folders included."""
MAX_ARCHIVE_BYTES = 16 * 2**30
"""In an unpacked archive."""

_CHUNK_BYTES = 2**20


def read_bounded(file: IO[bytes], name: str, limit: int) -> bytes:
    """Read the rest of ``file`` in chunks, so that reading an endless file stops at ``limit`` bytes.

    Raises:
        DatasetError: there are more than ``limit`` bytes.
    """
    data = bytearray()
    while chunk := file.read(_CHUNK_BYTES):
        data += chunk
        if len(data) > limit:
            raise DatasetError(
                f"{name}: it has more than {limit:,} bytes",
                expected="a picture, caption or metadata file of ordinary size",
                hint="remove the file from the data set.",
            )
    return bytes(data)

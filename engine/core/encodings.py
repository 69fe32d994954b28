"""Text files as editors save them."""

from __future__ import annotations

_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_UTF_32 = b"\xff\xfe\0\0"


def decoded(data: bytes) -> str:
    """A text in UTF-8 with or without a byte-order mark, or in UTF-16 with one, as Notepad and PowerShell write it.

    Raises:
        UnicodeDecodeError: another encoding. Nothing is guessed.
    """
    return data.decode("utf-16" if data.startswith(_UTF_16) and not data.startswith(_UTF_32) else "utf-8-sig")

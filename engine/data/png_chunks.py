"""PNG files without the text that programs put into them."""

from __future__ import annotations

from collections.abc import Iterator

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TEXT = (b"tEXt", b"zTXt", b"iTXt")
_WITH_ORIENTATION = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0", b"Raw profile type APP1\0")
_MOST_KEPT = 64 * 2**10


def without_text(data: bytes) -> bytes:
    """A PNG without its text chunks, unless they may hold the orientation; other data as it is.

    ComfyUI writes whole workflows into them, and Pillow refuses those of more than a megabyte.
    """
    if not data.startswith(_SIGNATURE):
        return data
    kept = [data[: len(_SIGNATURE)]]
    dropped = False
    for kind, start, end in _chunks(data):
        body = data[start + 8 : start + 8 + 32]
        keep = kind not in _TEXT or (body.startswith(_WITH_ORIENTATION) and end - start <= _MOST_KEPT)
        dropped |= not keep
        if keep:
            kept.append(data[start:end])
    return b"".join(kept) if dropped else data


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Kind, start and end of each chunk; the last one takes whatever follows."""
    at = len(_SIGNATURE)
    while at < len(data):
        kind = data[at + 4 : at + 8]
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        if kind == b"IEND" or end > len(data):
            end = len(data)
        yield kind, at, end
        at = end

"""Colors by the codes of ITU-T H.273, which PNG, AVIF and HEIC files may have in place of a profile."""

from __future__ import annotations

_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
"""Those that differ from sRGB so much that it can be seen."""
_HDR = {16: "PQ", 18: "HLG"}
_HEAD = 2**16
"""Bytes at the start of a file, before its pixels."""


def coded_colors(data: bytes) -> str:
    """What a file's codes say of its colors, such as ``BT.2020, HDR with the curve PQ``; empty for sRGB and its like.

    Args:
        data: the whole file, or its beginning.
    """
    primaries, curve = _codes(data[:_HEAD])
    told = [_PRIMARIES.get(primaries), f"HDR with the curve {_HDR[curve]}" if curve in _HDR else None]
    return ", ".join(filter(None, told))


def _codes(head: bytes) -> tuple[int, int]:
    """Primaries and transfer curve; 0 where there are none."""
    if (at := head.find(b"cICP")) >= 0 and head.startswith(b"\x89PNG"):
        codes = head[at + 4 : at + 6]
        return (codes[0], codes[1]) if len(codes) == 2 else (0, 0)
    if (at := head.find(b"colrnclx")) >= 0 and head[4:8] == b"ftyp":
        codes = head[at + 8 : at + 12]
        return int.from_bytes(codes[:2], "big"), int.from_bytes(codes[2:], "big")
    return 0, 0

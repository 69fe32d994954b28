"""Colors, fonts and line breaking for all figures."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

PAPER = "#ffffff"
INK = "#1d2430"
QUIET = "#737c8c"
LINE = "#e4e7ec"
ACCENT = "#2f6fde"
PALE = "#bcd0f5"
WARM = "#d9822b"


@lru_cache(maxsize=16)
def font(size: int) -> FreeTypeFont | ImageFont:
    """Pillow's own scalable font, ``size`` pixels high."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def text_width(text: str, size: int) -> int:
    """Width of a line in pixels, rounded up."""
    return -int(-font(size).getlength(text) // 1)


def wrapped(text: str, size: int, width: int, *, lines: int) -> list[str]:
    """Break text between words (or inside a word that is too long) into at most ``lines`` lines of ``width`` pixels.

    Text that doesn't fit is replaced by an ellipsis.
    """
    broken: list[str] = []
    for word in text.split():
        joined = f"{broken[-1]} {word}" if broken else word
        if broken and text_width(joined, size) <= width:
            broken[-1] = joined
        else:
            broken += _split_word(word, size, width)
    if len(broken) <= lines:
        return broken
    last = broken[lines - 1]
    while last and text_width(f"{last}…", size) > width:
        last = last[:-1]
    return [*broken[: lines - 1], f"{last.rstrip()}…"]


def _split_word(word: str, size: int, width: int) -> list[str]:
    """The parts of a word that fit into the width, with at least one character each."""
    parts = [""]
    for character in word:
        if parts[-1] and text_width(parts[-1] + character, size) > width:
            parts.append("")
        parts[-1] += character
    return parts

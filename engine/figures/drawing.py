"""Colors, fonts and line breaking for all figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .fonts import font, runs

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw

PAPER = "#ffffff"
INK = "#1d2430"
QUIET = "#737c8c"
LINE = "#e4e7ec"
ACCENT = "#2f6fde"
PALE = "#bcd0f5"
WARM = "#d9822b"
SERIES = ("#2e8b57", "#7b52ab", "#b83a5b", "#1f8a99", "#8a6d1d")
"""Colors of lines beside the one in ACCENT."""


def text_width(text: str, size: int) -> int:
    """Width of a line in pixels, rounded up."""
    return -int(-sum(font(size, face).getlength(part) for part, face in runs(text)) // 1)


def write(draw: ImageDraw, place: tuple[float, float], text: str, size: int, color: str) -> None:
    """Write a line with its upper left corner at ``place``, in pixels, in whatever fonts have its letters."""
    x, y = place
    for part, face in runs(text):
        own = font(size, face)
        draw.text((x, y), part, fill=color, font=own)
        x += own.getlength(part)


def wrapped(text: str, size: int, width: int, *, lines: int) -> list[str]:
    """Break text between words (or inside a word that is too long) into at most ``lines`` lines of ``width`` pixels.

    Text that doesn't fit is replaced by an ellipsis.
    """
    broken: list[str] = []
    for word in text[: lines * width].split():  # a letter takes a pixel at least
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

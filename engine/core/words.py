"""Phrases that messages share."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""C0 and C1 without tab and line feed, line separators, what reverses the direction of text, and lone surrogates."""


def printable(text: str) -> str:
    """The text with control characters escaped, as in ``\\x1b``.

    File names and captions of other people may hold sequences that recolor, rewrite or reverse a terminal's lines.
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def first_of(names: Sequence[str], most: int = 5, separator: str = ", ") -> str:
    """The first names and the number of the others: ``a, b, c and 7 more``."""
    rest = len(names) - most
    return separator.join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def between_commas(text: str) -> list[str]:
    """The parts of a text between commas, also those of Chinese and Japanese; stripped, without blank ones."""
    return [part.strip() for part in re.split("[,，、]", text) if part.strip()]


def counted(number: int, noun: str) -> str:
    """``1 module`` or ``3 modules``; the noun takes a plain s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def duration(seconds: float) -> str:
    """``8 s``, ``3 min 20 s`` or ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean color?`` if a known name is close to this one, or an empty string."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


def missing(library: str, extra: str) -> str:
    """Says how to get an optional library, for example ``wordfreq isn't installed (pip install wordfreq, or …)``."""
    return f'{library} isn\'t installed (pip install {library}, or "lora-workbench[{extra}]")'

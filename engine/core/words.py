"""Phrases that messages share."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


def first_of(names: Sequence[str], most: int = 5, separator: str = ", ") -> str:
    """The first names and the number of the others: ``a, b, c and 7 more``."""
    rest = len(names) - most
    return separator.join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def counted(number: int, noun: str) -> str:
    """``1 module`` or ``3 modules``; the noun takes a plain s."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean color?`` if a known name is close to this one, or an empty string."""
    close = difflib.get_close_matches(name, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""


def missing(library: str, extra: str) -> str:
    """Says how to get an optional library, for example ``wordfreq isn't installed (pip install wordfreq, or …)``."""
    return f'{library} isn\'t installed (pip install {library}, or "lora-workbench[{extra}]")'

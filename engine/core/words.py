"""Phrases that messages share."""

from __future__ import annotations

from collections.abc import Sequence


def first_of(names: Sequence[str], most: int = 5, separator: str = ", ") -> str:
    """The first names and the number of the others: ``a, b, c and 7 more``."""
    rest = len(names) - most
    return separator.join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def missing(library: str, extra: str) -> str:
    """Says how to get an optional library, for example ``wordfreq isn't installed (pip install wordfreq, or …)``."""
    return f'{library} isn\'t installed (pip install {library}, or "lora-workbench[{extra}]")'

"""Phrases that messages share."""

from __future__ import annotations

from collections.abc import Sequence


def first_of(names: Sequence[str], most: int = 5, separator: str = ", ") -> str:
    """The first names, and how many more there are: ``a, b, c and 7 more``."""
    rest = len(names) - most
    return separator.join(names[:most]) + (f" and {rest} more" if rest > 0 else "")

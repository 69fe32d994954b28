"""Ranks of some layers, as people write them into a recipe: ``ff: 8, mid_block: 32/16``."""

from __future__ import annotations

import re
from typing import NamedTuple

_ENTRY = re.compile(r"[\s,;]*(?P<pattern>\S+?)\s*:\s*(?P<rank>\d+)(?:\s*/\s*(?P<alpha>\d+(?:\.\d+)?))?\s*(?=[\s,;]|$)")


class RankPattern(NamedTuple):
    """The size of the layers whose names a regular expression is found in."""

    pattern: str
    rank: int
    alpha: float | None
    """``None`` for the recipe's scale, alpha / rank."""


def rank_patterns_problem(text: str) -> str:
    """What is wrong with a value of ``rank_patterns``; empty if nothing is."""
    try:
        parse_rank_patterns(text)
    except ValueError as error:
        return f"expected patterns with ranks, such as ff: 8, mid_block: 32/16 ({error})"
    return ""


def parse_rank_patterns(text: str) -> list[RankPattern]:
    """Patterns as people write them: ``PATTERN: RANK`` or ``PATTERN: RANK/ALPHA``, apart by commas or spaces.

    Raises:
        ValueError: with what can't be read.
    """
    found, at = [], 0
    while rest := text[at:].strip(" \t\n,;"):
        entry = _ENTRY.match(text, at)
        if entry is None:
            raise ValueError(f"{rest!r} isn't one")
        try:
            re.compile(entry["pattern"])
        except re.error as error:
            raise ValueError(f"{entry['pattern']!r} isn't a regular expression: {error}") from error
        rank, alpha = int(entry["rank"]), float(entry["alpha"]) if entry["alpha"] else None
        if not 1 <= rank <= 1024 or alpha == 0:
            raise ValueError(f"{entry[0].strip(' ,;')!r} needs a rank from 1 to 1024 and an alpha above 0")
        found.append(RankPattern(entry["pattern"], rank, alpha))
        at = entry.end()
    return found

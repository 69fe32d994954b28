"""Captions as lists of tags: parted by commas, and put in another order."""

from __future__ import annotations

import re

from ..core.hashing import value_hash


def split_tags(caption: str) -> list[str]:
    """The parts between commas and line breaks, without blanks around them; empty ones are left out."""
    return [tag for part in re.split(r"[,\n]", caption) if (tag := part.strip())]


def join_tags(tags: list[str]) -> str:
    return ", ".join(tags)


def shuffled(caption: str, keep: int, seed: int | str) -> str:
    """The caption with its tags in another order, the first ``keep`` in their places.

    The order follows from the seed and the caption alone, on every machine. A caption whose tags can't move stays as
    it is, to the letter.
    """
    tags = split_tags(caption)
    kept, moved = tags[:keep], tags[keep:]
    if len(moved) < 2:
        return caption
    order = sorted(range(len(moved)), key=lambda i: value_hash("tags", seed, caption, i))
    return join_tags([*kept, *(moved[i] for i in order)])

"""Captions as lists of comma-separated tags."""

from __future__ import annotations

import re

from ..core.hashing import value_hash


def split_tags(caption: str) -> list[str]:
    """The tags between commas and line breaks, stripped; empty ones are dropped."""
    return [tag for part in re.split(r"[,\n]", caption) if (tag := part.strip())]


def join_tags(tags: list[str]) -> str:
    return ", ".join(tags)


def shuffled(caption: str, keep: int, seed: int | str) -> str:
    """The caption with its tags shuffled, except for the first ``keep``.

    The order depends only on the seed and the caption, on every machine. A caption with fewer than two tags to shuffle
    is returned unchanged.
    """
    tags = split_tags(caption)
    kept, moved = tags[:keep], tags[keep:]
    if len(moved) < 2:
        return caption
    order = sorted(range(len(moved)), key=lambda i: value_hash("tags", seed, caption, i))
    return join_tags([*kept, *(moved[i] for i in order)])

"""Seeds that follow from other seeds."""

from __future__ import annotations

from .hashing import value_hash


def derived_seed(seed: int, *parts: str | int) -> int:
    """A seed of 60 bits that depends on every argument."""
    return int(value_hash(seed, *parts)[:15], 16)

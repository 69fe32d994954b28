"""Seeds derived from other seeds."""

from __future__ import annotations

from .hashing import value_hash


def derived_seed(*parts: str | int) -> int:
    """A 60-bit seed that depends on every argument."""
    return int(value_hash(*parts)[:15], 16)

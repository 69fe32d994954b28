"""Captions whose tags stand in another order each time: a fixed number of variants, so that each is encoded once."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.hashing import value_hash
from ..data.tags import shuffled


def variants(caption: str, count: int, keep: int) -> tuple[str, ...]:
    """At most ``count`` different orders of a caption's tags, the one that it is written in first.

    They follow from the caption alone, so that runs with other seeds find their embeddings in the cache.

    Args:
        caption: with commas between its tags.
        count: variants wanted; below 2 the caption stands alone.
        keep: tags at the beginning that stay in their places.
    """
    orders = [shuffled(caption, keep, number) for number in range(1, count)]
    return tuple(dict.fromkeys([caption, *orders]))


def pick(orders: Sequence[str], seed: int, number: int, place: int) -> str:
    """The variant at one place of a batch: a function of the seed and the batch's number alone."""
    if len(orders) == 1:
        return orders[0]
    return orders[int(value_hash("caption", seed, number, place)[:15], 16) % len(orders)]

"""Captions with shuffled tags: a fixed number of variants each, so that every one is encoded once."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.seeds import derived_seed
from ..data.tags import shuffled


def variants(caption: str, count: int, keep: int) -> tuple[str, ...]:
    """At most ``count`` different orders of a caption's tags, beginning with the original one.

    They depend on the caption alone, so that runs with other seeds find their embeddings in the cache.

    Args:
        caption: comma-separated tags.
        count: number of variants; below 2, only the original.
        keep: number of tags at the start that keep their places.
    """
    orders = [shuffled(caption, keep, number) for number in range(1, count)]
    return tuple(dict.fromkeys([caption, *orders]))


def pick(orders: Sequence[str], seed: int, number: int, place: int) -> str:
    """The variant at a position of a batch: a function of the seed and the batch's number alone."""
    if len(orders) == 1:
        return orders[0]
    return orders[derived_seed("caption", seed, number, place) % len(orders)]

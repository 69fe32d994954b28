"""Captions with shuffled and dropped tags: a fixed number of variants each, so that every one is encoded once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.seeds import derived_seed
from ..data.dataset import Dataset
from ..data.marks import unmarked
from ..data.tags import is_list, shuffled, thinned

DROPOUT_VARIANTS = 16
"""Variants of a caption if tags are dropped but not shuffled."""


@dataclass(frozen=True, kw_only=True)
class TagChanges:
    """How the tags of captions vary between steps."""

    count: int = 0
    """Orders of each caption's tags; below 2, tags stay in order."""
    keep: int = 1
    """Number of tags at the start that keep their places and are never dropped."""
    dropout: float = 0.0
    """Probability of dropping a tag, 0 to 1."""
    separator: str = ""
    """Where tags are split; empty for where they usually are."""


def variants(caption: str, changes: TagChanges, stays: Callable[[str], bool] = lambda _: False) -> tuple[str, ...]:
    """The variants of a caption that steps choose from, without other programs' marks.

    They depend on the caption alone, so that runs with other seeds find their embeddings in the cache. Without dropout
    they all differ and begin with the caption as written.

    Args:
        caption: prose and data have one variant.
        changes: how tags vary.
        stays: whether a tag is never dropped.
    """
    count = changes.count if changes.count > 1 or not changes.dropout else DROPOUT_VARIANTS
    shuffles = changes.count > 1
    orders = [
        shuffled(caption, changes.keep, number, changes.separator) if shuffles and number else caption
        for number in range(max(count, 1))
    ]
    if not changes.dropout:
        return tuple(dict.fromkeys(map(unmarked, orders)))
    thin = [
        thinned(order, changes.keep, changes.dropout, number, stays, changes.separator)
        for number, order in enumerate(orders)
    ]
    return tuple(map(unmarked, thin)) if len(set(thin)) > 1 else (unmarked(caption),)


def left_as_written(dataset: Dataset, changes: TagChanges) -> list[str]:
    """Names of the pictures whose captions aren't lists of tags, and so aren't changed."""
    return [r.name for r in dataset if r.caption and not is_list(r.caption, changes.separator)]


def pick(orders: Sequence[str], seed: int, number: int, place: int) -> str:
    """The variant at a position of a batch: a function of the seed and the batch's number alone."""
    if len(orders) == 1:
        return orders[0]
    return orders[derived_seed("caption", seed, number, place) % len(orders)]

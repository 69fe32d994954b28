"""Parts of a data set, each of which is left out of one training, so that every picture is judged by others alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..core.errors import ConfigError, DatasetError
from ..core.seeds import derived_seed
from ..data.dataset import Dataset

FEWEST, MOST = 2, 10
"""Folds."""
LEAST_PICTURES = 6
"""Of a data set: with fewer, too little is left to learn from, and there are no neighbors to compare with."""


def folds(dataset: Dataset, count: int, seed: int) -> list[int]:
    """The fold of each picture, 0 to ``count`` - 1.

    Folds follow from the pictures' content, not from their order, and differ in size by one picture at most. Pictures
    with the same content are in the same fold, for a copy would vouch for its twin.

    Raises:
        ConfigError: there can't be so many folds.
        DatasetError: the data set is too small.
    """
    if not FEWEST <= count <= MOST:
        raise ConfigError(
            f"{count} folds can't be used.", expected=f"{FEWEST} to {MOST} folds", hint="3 are enough for most sets."
        )
    contents = sorted(
        {record.content_hash for record in dataset}, key=lambda content: derived_seed(seed, "fold", content)
    )
    if len(contents) < max(LEAST_PICTURES, count):
        raise DatasetError(
            f"{dataset.name} has {len(contents)} different pictures, too few to judge each by the others.",
            expected=f"at least {max(LEAST_PICTURES, count)}",
            hint="look at so few by eye: LW_PreviewDataset shows them with their captions.",
        )
    fold = {content: place % count for place, content in enumerate(contents)}
    return [fold[record.content_hash] for record in dataset]


def without(dataset: Dataset, fold: Sequence[int], left_out: int) -> Dataset:
    """The pictures of all folds but one."""
    return replace(dataset, records=tuple(record for record, own in zip(dataset, fold, strict=True) if own != left_out))

"""Which samples are in a batch: a function of its number and a seed alone, so that resuming needs no saved state."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache

from ..core.seeds import derived_seed


def chosen(buckets: Sequence[Sequence[int]], number: int, count: int, seed: int) -> list[int]:
    """The samples of a batch, all from one bucket, since a batch has one shape.

    With one bucket, batches of ``count`` are cut from an endless sequence of shuffled epochs. With several, each epoch
    shuffles every bucket, splits it as evenly as possible into the fewest batches, and shuffles the batches. So small
    buckets give small batches, and each epoch shows each picture as often as its repeats say.

    Args:
        buckets: samples of each shape, with repeats.
        number: of the batch, from 0.
        count: maximum batch size.
        seed: of the order.
    """
    if len(buckets) == 1:
        (bucket,) = buckets
        size = len(bucket)
        places = range(number * count, (number + 1) * count)
        return [bucket[_shuffled(size, seed, place // size)[place % size]] for place in places]
    batches = [-(-len(bucket) // count) for bucket in buckets]
    epoch, place = divmod(number, sum(batches))
    which = _shuffled(sum(batches), derived_seed(seed, "batches"), epoch)[place]
    at = 0
    while which >= batches[at]:
        which -= batches[at]
        at += 1
    order = _shuffled(len(buckets[at]), derived_seed(seed, "bucket", at), epoch)
    return [buckets[at][place] for place in order[which :: batches[at]]]


def variant(count: int, number: int, place: int, seed: int) -> int:
    """Which of ``count`` variants is shown at a position of a batch."""
    return derived_seed(seed, "variant", number, place) % count if count > 1 else 0


@lru_cache(maxsize=64)
def _shuffled(size: int, seed: int, epoch: int) -> array[int]:
    import torch

    generator = torch.Generator().manual_seed(derived_seed(seed, "epoch", epoch))
    return array("q", torch.randperm(size, generator=generator).tolist())  # a fifth of a tuple's memory

"""Which pictures of a data set are held out of the training, to measure on.

Held-out pictures tell what an adapter has learned beyond its training pictures. So they must be such as it could learn
(no outliers, which have nothing like them in the training), of all the looks that the data set has, and no copies of
what it trains on, which would tell nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..core.errors import ConfigError, DatasetError
from ..core.words import did_you_mean
from ..data.dataset import Dataset, ImageRecord
from ..inspection.duplicates import duplicate_groups
from ..inspection.signature import Signature, signature
from ..inspection.views import THUMB

LEAST_TRAINING = 2
"""Pictures that stay in the training."""
_GRID = 8
"""Cells of a color layout along each side."""
_USUAL = 0.75
"""Share of the pictures, those nearest to others, among which held-out pictures are chosen."""
MOST = 64
"""Pictures that a share holds out: more are never measured, and would only be missing in the training."""
MOST_COMPARED = 2000
"""Pictures that are compared with each other to choose some."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a picture looks like, to compare it with others."""

    layout: np.ndarray
    """Mean colors of its cells, (8 * 8 * 3,), int32, so that distances are exact on every machine."""
    signature: Signature

    @staticmethod
    def of(record: ImageRecord) -> Look:
        """Decode a picture.

        Raises:
            DatasetError: it can't be decoded.
        """
        from PIL import Image

        small = record.load(at_least=THUMB).resize((THUMB, THUMB), Image.Resampling.BOX)
        cells = np.asarray(small.resize((_GRID, _GRID), Image.Resampling.BOX), np.int32)
        return Look(layout=cells.ravel(), signature=signature(np.asarray(small)))


def share_of(pictures: int, share: float) -> int:
    """How many pictures a share above 0 comes to: 1 to ``MOST``."""
    return min(MOST, max(1, round(share * pictures)))


def named(dataset: Dataset, names: Sequence[str]) -> list[int]:
    """Where the pictures of these names are.

    Args:
        dataset: that has them.
        names: relative to its root, or a picture's own name where only one has it.

    Raises:
        ConfigError: a name is of no picture or of several, with names that come close.
    """
    problems, found = [], []
    known = [record.name for record in dataset]
    for name in names:
        places = [i for i, own in enumerate(known) if own == name] or [
            i for i, own in enumerate(known) if own.rpartition("/")[2] == name
        ]
        found += places[:1]
        if not places:
            problems.append(f"{name!r} is no picture of {dataset.name}{did_you_mean(name, known)}")
        elif len(places) > 1:
            problems.append(f"{name!r} is the name of {len(places)} pictures: {', '.join(known[i] for i in places)}")
    if problems:
        raise ConfigError(
            "held_out_pictures: " + "; ".join(problems),
            expected="names of pictures in the data set",
            hint="write them as the contact sheet shows them, one per line.",
        )
    return sorted(set(found))


def with_copies(places: Sequence[int], looks: Sequence[Look]) -> list[int]:
    """These pictures, and all that are the same ones."""
    group = _groups(looks)
    wanted = {group[place] for place in places}
    return [place for place, own in enumerate(group) if own in wanted]


def covering(looks: Sequence[Look], count: int, order: Sequence[str]) -> list[int]:
    """Choose pictures that stand for the others: each next one is that which brings all pictures nearest to a chosen
    one (greedy k-medoids, or facility location: Nemhauser et al. 1978, doi:10.1007/BF01588971).

    Pictures that lie far from all others are never chosen, nor are those with copies while there are others.

    Args:
        looks: of all pictures.
        count: how many to choose; with a copy of a chosen one they may come to more.
        order: the content hash of each picture, which decides between equals; the order of the files doesn't.
    """
    group = _groups(looks)
    places = sorted(range(len(looks)), key=lambda place: order[place])[:MOST_COMPARED]
    apart = _distances([looks[place] for place in places])
    candidates = _candidates(apart, [group[place] for place in places], count)
    nearest, medoids = np.full(len(places), apart.max()), set()
    while candidates and len(medoids) < count:
        costs = np.minimum(nearest, apart[candidates]).sum(axis=1, dtype=np.int64)
        best = candidates.pop(int(costs.argmin()))
        nearest = np.minimum(nearest, apart[best])
        medoids.add(group[places[best]])
        candidates = [place for place in candidates if group[places[place]] not in medoids]
    return [place for place, own in enumerate(group) if own in medoids]


def _candidates(apart: np.ndarray, group: Sequence[int], count: int) -> list[int]:
    """The pictures, by index, that may be held out: those without copies that have others near, in their order."""
    copies = np.equal.outer(group, group)
    lonely = np.where(copies, apart.max(), apart).min(axis=1)
    single = np.flatnonzero(copies.sum(axis=1) == 1)
    usual = single if len(single) >= count else np.arange(len(group))
    near = usual[np.argsort(lonely[usual], kind="stable")]
    return sorted(near[: max(count, round(_USUAL * len(usual)))].tolist())


def split(dataset: Dataset, held: Sequence[int]) -> tuple[Dataset, Dataset]:
    """The data set without these pictures, and these pictures.

    Raises:
        DatasetError: too few pictures stay.
    """
    away = set(held)
    parts = [
        replace(dataset, records=tuple(r for i, r in enumerate(dataset) if (i in away) is out)) for out in (False, True)
    ]
    if len(parts[0]) < LEAST_TRAINING:
        raise DatasetError(
            f"Of {len(dataset)} pictures in {dataset.name}, {len(away)} would be held out, copies included, and "
            f"{len(parts[0])} would be trained on.",
            expected=f"at least {LEAST_TRAINING} to train on",
            hint="lower held_out or name fewer pictures, set it to 0, or add pictures.",
        )
    return parts[0], parts[1]


def _groups(looks: Sequence[Look]) -> list[int]:
    """For each picture the first that is the same one."""
    first = list(range(len(looks)))
    for members in duplicate_groups([look.signature for look in looks]):
        for place in members:
            first[place] = members[0]
    return first


def _distances(looks: Sequence[Look]) -> np.ndarray:
    """Sums of absolute differences between layouts, (N, N), uint16."""
    layouts = np.stack([look.layout for look in looks])
    return np.stack([np.abs(layouts - own).sum(axis=1) for own in layouts]).astype(np.uint16)

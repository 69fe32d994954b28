r"""What drawn pictures tell of a snapshot.

All snapshots, and the base model alone, draw the same prompts from the same noise. With :math:`x_i` the picture of
prompt i by a snapshot, :math:`x^0_i` by the base model, :math:`y` a training picture and d the distance in a feature
space (``looks.py``):

- *novelty* of a picture, :math:`\min_y d(x_i, y) / \mathrm{median}_y \min_{y' \ne y} d(y, y')`: how near it comes to a
  training picture, mirrored or not, over how near these come to each other, since pictures of one set may be more or
  less alike. So do authenticity (Alaa et al. 2021, arXiv:2102.08921) and the search for extracted pictures of Carlini
  et al. 2023, arXiv:2301.13188, which compares with the distances to other training pictures. Near 0, training pictures
  leak into what is drawn;
- *likeness*, :math:`1 - \mathrm{mean}_i \min_y d(x_i, y)` over the prompts that are captions of held-out pictures, and
  the pictures y that have this caption: subject fidelity as in arXiv:2208.12242, section 4.2, picture by picture;
- *adherence*, :math:`\mathrm{mean}_{i<j} d(x_i, x_j) / \mathrm{mean}_{i<j} d(x^0_i, x^0_j)` over prompts that were not
  trained on: whether another prompt still gives another picture. It is the diversity of arXiv:2208.12242, section 4.2,
  over prompts instead of seeds;
- *drift*, :math:`\mathrm{mean}_i d(x_i, x^0_i)` over prompts without the trigger word, over the same of those with it:
  0 if nothing changes without the word, 1 if it makes no difference (language drift, arXiv:2208.12242, section 3.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.dataset import ImageRecord
from .asking import Asked
from .looks import FeatureSpace, distances, distances_both_ways

if TYPE_CHECKING:
    from PIL.Image import Image

REPEATS = 0.15
"""Novelty up to which a picture repeats a training picture. On the demo base, training captions of a run on three
pictures for 600 steps give 0.03 to 0.1, and those of a good run on twelve 0.24 or more."""
_NOTHING = 1e-5
"""A distance up to which pictures are the same."""


@dataclass(frozen=True, kw_only=True)
class Nearest:
    """The training picture that a drawn picture comes nearest to."""

    name: str
    distance: float
    novelty: float | None
    """The distance over that between training pictures; ``None`` where there is only one."""
    mirrored: bool

    @property
    def is_repeated(self) -> bool:
        """Whether the drawn picture is this one."""
        return self.novelty is not None and self.novelty <= REPEATS


@dataclass(frozen=True, kw_only=True)
class SampleFigures:
    """What the pictures of a snapshot tell; ``None`` is what can't be told by these prompts and pictures."""

    step: int
    """0: of the base model alone."""
    nearest: tuple[Nearest, ...]
    """For each prompt; empty where training pictures aren't known."""
    likeness: float | None
    adherence: float | None
    drift: float | None

    @property
    def novelty(self) -> float | None:
        """That of the picture that is nearest to a training picture."""
        return min((own.novelty for own in self.nearest if own.novelty is not None), default=None)

    @property
    def repeated(self) -> list[tuple[int, Nearest]]:
        """The training pictures that are repeated, each with the number of the prompt, the nearest first."""
        found = [(number, own) for number, own in enumerate(self.nearest) if own.is_repeated]
        return sorted(found, key=lambda one: one[1].distance)

    @staticmethod
    def from_json(known: dict[str, Any]) -> SampleFigures:
        """From plain values, as of :func:`dataclasses.asdict`."""
        nearest = tuple(Nearest(**own) for own in known["nearest"])
        return SampleFigures(**{**known, "nearest": nearest})


@dataclass(frozen=True, kw_only=True)
class Shown:
    """The pictures of a data set as vectors, of N pictures: (2, N, D), as they are and mirrored."""

    records: Sequence[ImageRecord]
    looks: np.ndarray
    """In :data:`~.looks.LOOKS`, to find copies."""
    meaning: np.ndarray
    """In the feature space of likeness."""

    @property
    def between(self) -> float | None:
        """Median of the distances of each picture to the one nearest to it; ``None`` of a single one."""
        if len(self.records) < 2:
            return None
        apart = distances_both_ways(self.looks[0], self.looks)
        np.fill_diagonal(apart, np.inf)
        return float(np.median(apart.min(axis=1)))


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The pictures of one snapshot as vectors, one a prompt, (N, D)."""

    looks: np.ndarray
    meaning: np.ndarray

    @staticmethod
    def of(pictures: Sequence[Image], looks: FeatureSpace, meaning: FeatureSpace) -> Drawn:
        """Describe pictures, once where both feature spaces are the same."""
        own = looks.describe(pictures)
        return Drawn(looks=own, meaning=own if meaning is looks else meaning.describe(pictures))


def sample_figures(
    step: int, drawn: Drawn, base: Drawn, asked: Sequence[Asked], training: Shown | None, held: Shown | None
) -> SampleFigures:
    """Measure the pictures of a snapshot.

    Args:
        step: of the snapshot.
        drawn: its pictures.
        base: those of the base model.
        asked: the prompts.
        training: the training pictures, if they are known.
        held: the held-out pictures, if there are any.
    """
    return SampleFigures(
        step=step,
        nearest=_nearest(drawn, training) if training else (),
        likeness=_likeness(drawn, asked, [shown for shown in (training, held) if shown]),
        adherence=_ratio(_spread(drawn, asked), _spread(base, asked)),
        drift=_ratio(_moved(drawn, base, asked, without=True), _moved(drawn, base, asked, without=False)),
    )


def _nearest(drawn: Drawn, training: Shown) -> tuple[Nearest, ...]:
    between, ways = training.between, [distances(drawn.looks, looks) for looks in training.looks]
    found = []
    for plain, mirrored in zip(*ways, strict=True):
        place = int(np.minimum(plain, mirrored).argmin())
        distance = float(min(plain[place], mirrored[place]))
        novelty = None if between is None else distance / max(between, 1e-6)
        found.append(
            Nearest(
                name=training.records[place].name, distance=distance, novelty=novelty,
                mirrored=bool(mirrored[place] < plain[place]),
            )
        )  # fmt: skip
    return tuple(found)


def likeness_kind(asked: Sequence[Asked]) -> str:
    """The prompts that likeness is of: captions of held-out pictures, or where there are none, of training pictures;
    empty if there are neither."""
    kinds = {own.kind for own in asked}
    return next((kind for kind in ("held-out caption", "training caption") if kind in kinds), "")


def _likeness(drawn: Drawn, asked: Sequence[Asked], shown: Sequence[Shown]) -> float | None:
    kind = likeness_kind(asked)
    if not (kind and shown):
        return None
    hashes = [record.content_hash for of in shown for record in of.records]
    known = np.concatenate([of.meaning for of in shown], axis=1)
    nearest = [
        distances_both_ways(vector[None], known[:, [digest in own.pictures for digest in hashes]]).min()
        for vector, own in zip(drawn.meaning, asked, strict=True)
        if own.kind == kind
    ]
    return 1 - float(np.mean(nearest))


def _spread(drawn: Drawn, asked: Sequence[Asked]) -> float | None:
    """Mean distance between the pictures of prompts that weren't trained on; ``None`` with fewer than two of them."""
    new = drawn.meaning[[own.is_new for own in asked]]
    if len(new) < 2:
        return None
    return float(distances(new, new)[np.triu_indices(len(new), 1)].mean())


def _moved(drawn: Drawn, base: Drawn, asked: Sequence[Asked], *, without: bool) -> float | None:
    """Mean distance from the base model's pictures, of prompts with the trigger word or without."""
    chosen = [(own.kind == "without trigger") is without for own in asked]
    if not any(chosen):
        return None
    return float(np.clip(1 - (drawn.meaning * base.meaning).sum(axis=1), 0, 2)[chosen].mean())


def _ratio(value: float | None, of: float | None) -> float | None:
    return value / of if value is not None and of is not None and of > _NOTHING else None

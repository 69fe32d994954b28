"""One-sided data sets: whatever most pictures share will be learned as part of the concept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..data.dataset import ImageRecord
from ..data.goals import USUAL, Goal
from .measures import Measures
from .report import Finding
from .signature import mirrored_shape
from .traits import Traits

MIN_PICTURES, MAX_PICTURES = 5, 400
"""Smaller data sets are too small to judge; of larger ones, this many pictures are compared."""
_MANY, _MOST = 0.6, 0.75
"""Shares of the pictures from which a background or pose, and light or framing, count as one-sided."""
_SAME_BACKGROUND = 12.0
"""Largest mean CIELAB distance between the borders of two pictures with the same background."""
_SAME_FRAMING = 0.05
"""Largest difference of position or spread between two pictures with the same framing, as a share of the side."""
_SAME_POSE = 0.93
"""Smallest cosine similarity of gradient histograms between two pictures with the same pose."""
_PLACES = ("background", "backdrop", "wall", "studio", "indoors", "outdoors", "in front of", "behind")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A picture with its measures. Copies of other pictures are not compared."""

    record: ImageRecord
    measures: Measures


def count_finding(pictures: int, usable: int, goal: Goal) -> Iterator[Finding]:
    """Whether there are as many pictures as people use for the goal.

    Args:
        pictures: number of pictures in the data set.
        usable: number of readable pictures without copies.
        goal: what the adapter should learn.
    """
    fewest, most = USUAL[goal]
    different = f"{usable} different pictures" if usable != pictures else f"{pictures} pictures"
    if usable < fewest:
        yield Finding(
            kind="count",
            text=f"{different} for a {goal}, where {fewest} to {most} are usual",
            advice="add pictures, or check samples early: so few are soon memorized",
            importance=0.4 + 0.5 * (1 - usable / fewest),
        )
    elif usable > 2 * most:
        yield Finding(
            kind="count",
            text=f"{different} for a {goal}, where {fewest} to {most} are usual",
            advice="keep the best and most varied ones: quality matters more than quantity",
            importance=0.3,
        )


def variety_findings(seen: Sequence[Seen], goal: Goal) -> Iterator[Finding]:
    """What most of the pictures have in common, with the pictures that share it."""
    if len(seen) < MIN_PICTURES:
        return
    seen = seen[:: -(-len(seen) // MAX_PICTURES)]
    yield from _backgrounds(seen)
    yield from _light(seen)
    if goal != "style":
        yield from _framing(seen)
        yield from _poses(seen)


def _backgrounds(seen: Sequence[Seen]) -> Iterator[Finding]:
    borders = np.stack([one.measures.traits.background for one in seen])
    shared = _largest_group(
        lambda i: np.linalg.norm(borders - borders[i], axis=2).mean(axis=1) < _SAME_BACKGROUND, len(seen)
    )
    if len(shared) < _MANY * len(seen):
        return
    # An instruction says what to do, not what is seen.
    captions = [(seen[i].record.caption or "").lower() for i in shared if not seen[i].record.reference]
    silent = sum(not any(word in caption for word in _PLACES) for caption in captions)
    unnamed = f"; {silent} of their captions don't name it" if silent else ""
    yield _one_sided(
        "background", seen, shared, f"share one background{unnamed}",
        "add pictures taken in other places, or name the background in the captions, so that it isn't learned as part "
        "of the concept", 0.6 if silent else 0.4,
    )  # fmt: skip


_LIGHTS: dict[str, Callable[[Traits], bool]] = {
    "are dark": lambda t: t.lightness < 30,
    "are bright": lambda t: t.lightness > 78,
    "have warm light": lambda t: t.warmth > 18,
    "have cold light": lambda t: t.warmth < -12,
    "have flat light": lambda t: t.contrast < 10,
    "have almost no color": lambda t: t.chroma < 5,
}


def _light(seen: Sequence[Seen]) -> Iterator[Finding]:
    for what, has in _LIGHTS.items():
        shared = [number for number, one in enumerate(seen) if has(one.measures.traits)]
        if len(shared) >= _MOST * len(seen):
            yield _one_sided(
                "light", seen, shared, what,
                "add pictures in other light, or name the light in the captions", 0.4,
            )  # fmt: skip


def _framing(seen: Sequence[Seen]) -> Iterator[Finding]:
    places = np.array([one.measures.traits.framing for one in seen])
    shared = _largest_group(lambda i: np.abs(places - places[i]).max(axis=1) < _SAME_FRAMING, len(seen))
    if len(shared) >= _MOST * len(seen):
        yield _one_sided(
            "framing", seen, shared, "have the same framing, with the subject at the same place and size",
            "add close-ups, full views and pictures with the subject off center", 0.4,
        )  # fmt: skip


def _poses(seen: Sequence[Seen]) -> Iterator[Finding]:
    shapes = np.stack([one.measures.signature.shape for one in seen]).astype(np.float32)
    flat = shapes.reshape(len(seen), -1)
    mirrored = mirrored_shape(shapes).reshape(len(seen), -1)
    shared = _largest_group(lambda i: np.maximum(flat @ flat[i], mirrored @ flat[i]) > _SAME_POSE, len(seen))
    if len(shared) >= _MANY * len(seen):
        yield _one_sided(
            "pose", seen, shared, "show almost the same pose and view",
            "add other poses and views, or the adapter won't generate any others", 0.5,
        )  # fmt: skip


def _largest_group(near: Callable[[int], np.ndarray], count: int) -> list[int]:
    """Indices of the largest group of pictures near one of them; ``near`` gives a mask for an index."""
    best: np.ndarray = np.zeros(count, bool)
    for number in range(count):
        found = near(number)
        if found.sum() > best.sum():
            best = found
    return np.nonzero(best)[0].tolist()


def _one_sided(
    kind: str, seen: Sequence[Seen], shared: Sequence[int], what: str, advice: str, importance: float
) -> Finding:
    return Finding(
        kind=kind,
        text=f"{len(shared)} of {len(seen)} {what}",
        advice=advice,
        importance=importance,
        pictures=tuple(seen[number].record.name for number in shared),
    )

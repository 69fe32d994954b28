"""One-sided sets: what most pictures share will be learned as part of the concept."""

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

FEWEST, MOST = 5, 400
"""Smaller sets can't be told to be one-sided; of larger ones, so many pictures are compared."""
_MOST_SHARED = 0.6
_MOST_ALIKE = 0.75
_BACKGROUND = 12.0
"""Mean CIELAB distance up to which two rims are of one background."""
_FRAMING = 0.05
_POSE = 0.93
"""Cosine of gradient histograms from which two pictures show the same pose."""
_PLACES = ("background", "backdrop", "wall", "studio", "indoors", "outdoors", "in front of", "behind")


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A picture with its measures; copies of others aren't among those that are compared."""

    record: ImageRecord
    measures: Measures


def count_finding(pictures: int, usable: int, goal: Goal) -> Iterator[Finding]:
    """Whether there are as many pictures as people use for the goal.

    Args:
        pictures: in the set.
        usable: of them, those that are no copies of others and can be read.
        goal: what the adapter is to teach.
    """
    fewest, most = USUAL[goal]
    different = f"{usable} different pictures" if usable != pictures else f"{pictures} pictures"
    if usable < fewest:
        yield Finding(
            kind="count",
            text=f"{different} for a {goal}, where {fewest} to {most} are usual",
            advice="add pictures, or look at samples early: so few are soon learned by heart",
            importance=0.4 + 0.5 * (1 - usable / fewest),
        )
    elif usable > 2 * most:
        yield Finding(
            kind="count",
            text=f"{different} for a {goal}, where {fewest} to {most} are usual",
            advice="keep the best and most different ones: a clear set teaches more than a large one",
            importance=0.3,
        )


def variety_findings(seen: Sequence[Seen], goal: Goal) -> Iterator[Finding]:
    """What most of the pictures have in common, each with the pictures that share it."""
    if len(seen) < FEWEST:
        return
    seen = seen[:: -(-len(seen) // MOST)]
    yield from _backgrounds(seen)
    yield from _light(seen)
    if goal != "style":
        yield from _framing(seen)
        yield from _poses(seen)


def _backgrounds(seen: Sequence[Seen]) -> Iterator[Finding]:
    rims = np.stack([one.measures.traits.background for one in seen])
    shared = _largest(lambda i: np.linalg.norm(rims - rims[i], axis=2).mean(axis=1) < _BACKGROUND, len(seen))
    if len(shared) < _MOST_SHARED * len(seen):
        return
    silent = sum(not _names_place(seen[i].record.caption or "") for i in shared)
    told = f"; {silent} of their captions don't name it" if silent else ""
    yield _one_sided(
        "background", seen, shared, f"share one background{told}",
        "take pictures in other places, or name the background in the captions, so that it isn't learned as part of "
        "the concept", 0.6 if silent else 0.4,
    )  # fmt: skip


def _names_place(caption: str) -> bool:
    return any(word in caption.lower() for word in _PLACES)


_LIGHTS: dict[str, Callable[[Traits], bool]] = {
    "are dark": lambda t: t.lightness < 30,
    "are bright": lambda t: t.lightness > 78,
    "are in warm light": lambda t: t.warmth > 18,
    "are in cold light": lambda t: t.warmth < -12,
    "are in flat light": lambda t: t.contrast < 10,
    "are almost without color": lambda t: t.chroma < 5,
}


def _light(seen: Sequence[Seen]) -> Iterator[Finding]:
    for what, has in _LIGHTS.items():
        shared = [number for number, one in enumerate(seen) if has(one.measures.traits)]
        if len(shared) >= _MOST_ALIKE * len(seen):
            yield _one_sided(
                "light", seen, shared, what,
                "add pictures in other light, or name the light in the captions", 0.4,
            )  # fmt: skip


def _framing(seen: Sequence[Seen]) -> Iterator[Finding]:
    places = np.array([one.measures.traits.framing for one in seen])
    shared = _largest(lambda i: np.abs(places - places[i]).max(axis=1) < _FRAMING, len(seen))
    if len(shared) >= _MOST_ALIKE * len(seen):
        yield _one_sided(
            "framing", seen, shared, "are framed alike, the subject at the same place and of the same size",
            "add close-ups, full views and pictures with the subject at the side", 0.4,
        )  # fmt: skip


def _poses(seen: Sequence[Seen]) -> Iterator[Finding]:
    shapes = np.stack([one.measures.signature.shape for one in seen]).astype(np.float32)
    flat = shapes.reshape(len(seen), -1)
    mirrored = mirrored_shape(shapes).reshape(len(seen), -1)
    shared = _largest(lambda i: np.maximum(flat @ flat[i], mirrored @ flat[i]) > _POSE, len(seen))
    if len(shared) >= _MOST_SHARED * len(seen):
        yield _one_sided(
            "pose", seen, shared, "show almost the same pose and view",
            "add other poses and views, or the adapter will draw no others", 0.5,
        )  # fmt: skip


def _largest(near: Callable[[int], np.ndarray], count: int) -> list[int]:
    """The numbers of the pictures around the one that has the most of its kind near it."""
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

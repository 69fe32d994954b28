"""What drawn pictures tell of a run, snapshot by snapshot, as a value and in words."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from ..core.storage import write_json
from ..core.words import counted
from .asking import Asked
from .sampled import Nearest, SampleFigures, likeness_kind

IGNORES = 0.25
"""Adherence below which the prompt hardly counts any more."""
DRIFTS = 0.6
"""Drift from which prompts without the trigger word are told to change. On the demo base, runs with class pictures come
to 0.15 to 0.25, and one on three pictures without any to 0.7 to 0.8, where a dog has the otter's colors."""
NEARLY = 0.005
"""By how much likeness may be below the best one, for an earlier snapshot to be as good."""


@dataclass(frozen=True, kw_only=True)
class SampleCourse:
    """The figures of the pictures that snapshots drew, and how they were drawn."""

    asked: tuple[Asked, ...]
    seed: int
    sampling_steps: int
    guidance: float
    space: str
    """The feature space of likeness, adherence and drift, for people; copies are always looked for by looks."""
    between: float | None
    """Median of the distances of training pictures to the one nearest to each; ``None`` if they aren't known, or if
    there is only one."""
    base: SampleFigures
    """Of the base model alone."""
    figures: tuple[SampleFigures, ...]
    """Of the snapshots, by step; one at least."""
    drawn: tuple[tuple[str, ...], ...]
    """Keys of the pictures in the run store, by column: the base model's, then those of each snapshot."""

    @property
    def steps(self) -> list[int]:
        return [own.step for own in self.figures]

    @property
    def repeats_since(self) -> int | None:
        """The first snapshot from which on each repeats a training picture."""
        return _since(self.figures, [bool(own.repeated) for own in self.figures])

    @property
    def best(self) -> int | None:
        """The first step whose pictures are nearly as like as any's, among those that repeat no training picture where
        there are such; ``None`` where likeness isn't measured, or never exceeds the base model's: then it sees nothing
        of what was learned, such as a style without a layout of its own."""
        told = [(own, own.likeness) for own in self.figures if own.likeness is not None]
        fresh = [(own, likeness) for own, likeness in told if not own.repeated] or told
        most = max((likeness for _, likeness in fresh), default=0.0)
        if most <= (self.base.likeness or 0.0):
            return None
        return next(own.step for own, likeness in fresh if likeness >= most - NEARLY)

    def of_pictures(self, picked: int) -> list[str]:
        """What the pictures tell, one sentence each, and what they can't.

        Args:
            picked: the step of the snapshot to use.
        """
        own = min(self.figures, key=lambda figures: abs(figures.step - picked))
        return [*self._of_copies(own), *self._of_adherence(), *self._of_drift()]

    def _of_copies(self, picked: SampleFigures) -> Iterator[str]:
        if not self.base.nearest:
            yield "Without the training pictures, it can't be told whether drawn pictures repeat them."
        elif self.between is None:
            yield "Of a single training picture, it can't be told whether drawn pictures repeat it."
        elif (since := self.repeats_since) is not None:
            number, nearest = self._at(since).repeated[0]
            yield (
                f"From step {since} on it repeats {_named(nearest)} (distance {nearest.distance:.2g}; training "
                f"pictures are {self.between:.2g} from each other), for example for {self.asked[number].prompt!r}."
            )
        elif once := [own for own in self.figures if own.repeated]:
            names = ", ".join(dict.fromkeys(_named(nearest) for own in once for _, nearest in own.repeated))
            yield f"At {counted(len(once), 'step')}, the first of them {once[0].step}, it repeats {names}."
        else:
            nearest = min(picked.nearest, key=lambda own: own.distance)
            yield (
                f"No drawn picture repeats a training picture: at step {picked.step} the nearest is {_named(nearest)} "
                f"(distance {nearest.distance:.2g}; training pictures are {self.between:.2g} from each other)."
            )

    def _of_adherence(self) -> Iterator[str]:
        values = [own.adherence for own in self.figures]
        if all(value is None for value in values):
            yield "Adherence to prompts takes two prompts that aren't captions of training pictures."
        since = _since(self.figures, [value is not None and value < IGNORES for value in values])
        if since is not None:
            yield (
                f"From step {since} on the prompt hardly counts: pictures of different prompts differ "
                f"{self._at(since).adherence:.2g} times as much as the base model's."
            )

    def _of_drift(self) -> Iterator[str]:
        since = _since(self.figures, [(own.drift or 0.0) >= DRIFTS for own in self.figures])
        if since is not None:
            yield (
                f"Since step {since}, pictures of prompts without the trigger word drift: they change "
                f"{self._at(since).drift:.2g} times as much as those with it."
            )

    def _at(self, step: int) -> SampleFigures:
        return next(own for own in self.figures if own.step == step)

    @property
    def likeness_is_of(self) -> str:
        """What likeness is measured to: ``held-out pictures``, ``training pictures``, or empty."""
        return likeness_kind(self.asked).replace("caption", "pictures")

    def facts(self) -> list[dict[str, Any]]:
        """The measures as plain values, the base model's first, for reports."""
        names = ("step", "novelty", "likeness", "adherence", "drift")
        return [{name: getattr(own, name) for name in names} for own in (self.base, *self.figures)]

    def save(self, path: Path) -> None:
        """Write a JSON file, atomically.

        Raises:
            StorageError: it can't be written.
        """
        write_json(path, asdict(self))

    @staticmethod
    def load(path: Path) -> SampleCourse | None:
        """The course of a file; ``None`` if there is none, or a damaged one."""
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            lists = {
                "asked": tuple(Asked(**own | {"pictures": tuple(own["pictures"])}) for own in known["asked"]),
                "base": SampleFigures.from_json(known["base"]),
                "figures": tuple(map(SampleFigures.from_json, known["figures"])),
                "drawn": tuple(map(tuple, known["drawn"])),
            }
            return SampleCourse(**known | lists)
        except (OSError, ValueError, KeyError, TypeError):
            return None


def _since(figures: Sequence[SampleFigures], told: Sequence[bool]) -> int | None:
    """The first step from which on something is told of all snapshots."""
    last = [*takewhile(lambda one: one[1], reversed([*zip(figures, told, strict=True)]))]
    return last[-1][0].step if last else None


def _named(nearest: Nearest) -> str:
    return f"{nearest.name}{', mirrored' if nearest.mirrored else ''}"

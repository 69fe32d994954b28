"""A place on the board for each picture of a data set: learnt, hard, suspect or mined out.

Labels are found wrong by models that were trained without them (confident learning, Northcutt et al. 2021,
arXiv:1911.00068), and what a picture adds by itself is what trainings with it know better of it than trainings without
it (Feldman and Zhang 2020, arXiv:2008.03703). Here the models are short trainings, each of which leaves out a part of the
data set, and what they know of a picture is their loss at fixed noise. That of the finished adapter wouldn't do: in the
end it has learned the wrong pictures too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from statistics import median
from typing import Any, Literal

from ..core.words import counted, first_of
from ..data.dataset import Dataset
from .picture_losses import PictureLosses

Place = Literal["suspect", "hard", "mined out", "learnt"]
PLACES: tuple[Place, ...] = ("suspect", "hard", "mined out", "learnt")
"""The most urgent first."""

FOREIGN = 0.4
"""Share of what the others teach about a usual picture, below which a picture is suspect."""
HARM = 0.0
"""A caption that makes the prediction worse than no caption, by more than this share, is suspect itself."""
SLOW = 0.6
"""Share of what is learnt of a usual picture, below which one is hard."""
OWN = 0.25
"""Share of what a usual picture adds by itself, below which one is mined out."""
LEAST_TAUGHT = 0.05
"""By how much the others must lower the loss of a usual picture, so that anything can be told."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What models make of one picture."""

    name: str
    content_hash: str
    base: PictureLosses
    """The base model."""
    unseen: PictureLosses
    """With an adapter whose training left the picture out."""
    seen: PictureLosses
    """With adapters whose trainings had it, on average."""

    @cached_property
    def taught(self) -> float:
        """By how much the other pictures' training lowers the loss below the base model's without a caption: minus the
        logarithm of their ratio, averaged over the bands. Below 0 it raises it."""
        return _lowered(self.base.untold, self.unseen.told)

    @cached_property
    def learnt(self) -> float:
        """The same for trainings that had the picture."""
        return _lowered(self.base.untold, self.seen.told)

    @property
    def own(self) -> float:
        """What the picture adds by itself."""
        return self.learnt - self.taught

    @cached_property
    def harm(self) -> float:
        """By how much the caption raises the loss above that without one, where the picture wasn't seen, at the noisier
        half of the levels: there the prompt decides what is drawn. As in :attr:`taught`, with the other sign. A
        diffusion model is a classifier by such losses (Li et al. 2023, arXiv:2303.16203)."""
        noisier = slice(len(self.unseen.told) // 2, None)
        return -_lowered(self.unseen.untold[noisier], self.unseen.told[noisier])


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One picture on the board."""

    name: str
    content_hash: str
    place: Place
    fault: Literal["", "caption", "picture"]
    """Of a suspect: what seems to be wrong with it."""
    reason: str
    """A sentence with numbers."""
    taught: float
    learnt: float
    harm: float

    @property
    def label(self) -> str:
        """``suspect caption`` or ``learnt``."""
        return f"{self.place} {self.fault}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Board:
    """All pictures of a data set in their places, in its order."""

    placed: tuple[Placed, ...]
    notes: tuple[str, ...] = ()
    """What can't be told, and why not."""

    def at(self, place: Place) -> list[Placed]:
        """The pictures of a place, the farthest from the usual first."""
        found = [own for own in self.placed if own.place == place]
        return sorted(found, key=lambda own: own.learnt if place == "hard" else own.taught)

    @property
    def suspects(self) -> list[Placed]:
        return self.at("suspect")

    @property
    def order(self) -> list[int]:
        """The pictures by index, the most urgent first."""
        index = {id(own): number for number, own in enumerate(self.placed)}
        return [index[id(own)] for place in PLACES for own in self.at(place)]

    def only_suspects(self, dataset: Dataset) -> Dataset:
        """The suspects of the data set that the board is of."""
        records = [
            record for record, own in zip(dataset, self.placed, strict=True) if own.place == "suspect"
        ]
        return replace(dataset, records=tuple(records), name=f"{dataset.name} (suspects)", skipped=(), notes=())

    def with_rarer(self, dataset: Dataset, factor: int) -> Dataset:
        """The data set that the board is of, with suspects and mined-out pictures shown ``factor`` times as rarely,
        against the others."""
        records = [
            record if own.place in ("suspect", "mined out") else replace(record, repeats=record.repeats * factor)
            for record, own in zip(dataset, self.placed, strict=True)
        ]
        return replace(dataset, records=tuple(records))

    def summary(self) -> str:
        """``20 pictures: 3 suspect, 1 hard, 2 mined out, 14 learnt.``"""
        counts = ", ".join(f"{len(self.at(place))} {place}" for place in PLACES)
        return f"{counted(len(self.placed), 'picture')}: {counts}."

    def __str__(self) -> str:
        """The summary, the notes, what to do, and one line for each picture, the most urgent first."""
        lines = [self.summary(), *self.notes, *self._advice()]
        for place in PLACES:
            lines += [f"{own.label}: {own.name}: {own.reason}" for own in self.at(place)]
        return "\n".join(lines)

    def facts(self) -> dict[str, Any]:
        """As plain values, for reports."""
        return {
            "places": {place: [own.name for own in self.at(place)] for place in PLACES},
            "pictures": [asdict(own) for own in self.placed],
            "notes": [*self.notes],
        }

    def _advice(self) -> list[str]:
        faults = {fault: [own.name for own in self.suspects if own.fault == fault] for fault in ("caption", "picture")}
        told = []
        if names := faults["caption"]:
            told.append(f"Read the captions of {first_of(names)}: they seem to speak of something else.")
        if names := faults["picture"]:
            told.append(f"Look at {first_of(names)}: they seem to show something else than the others.")
        return told


def board(evidence: Sequence[Evidence]) -> Board:
    """Place every picture by its losses against those of the others.

    Args:
        evidence: of all pictures, at least one.
    """
    usual = _Usual(
        taught=median(own.taught for own in evidence),
        learnt=median(own.learnt for own in evidence),
        own=median(own.own for own in evidence),
    )
    notes = ()
    if usual.taught < LEAST_TAUGHT:
        notes = (
            f"The trainings taught next to nothing about pictures that they left out ({usual.taught:.0%}), so only "
            "captions can be judged. More steps may help, or the pictures have too little in common.",
        )
    return Board(placed=tuple(_placed(own, usual) for own in evidence), notes=notes)


@dataclass(frozen=True, kw_only=True)
class _Usual:
    """Medians over the data set."""

    taught: float
    learnt: float
    own: float

    @property
    def tells(self) -> bool:
        """Whether the others' training says anything about a picture."""
        return self.taught >= LEAST_TAUGHT


def _placed(own: Evidence, usual: _Usual) -> Placed:
    place, fault, reason = _judged(own, usual)
    return Placed(
        name=own.name, content_hash=own.content_hash, place=place, fault=fault, reason=reason,
        taught=own.taught, learnt=own.learnt, harm=own.harm,
    )  # fmt: skip


def _judged(own: Evidence, usual: _Usual) -> tuple[Place, Literal["", "caption", "picture"], str]:
    if own.harm > HARM:
        return "suspect", "caption", (
            f"its caption makes it {_percent(own.harm)} harder to predict than no caption, for a training that hasn't seen it."
        )
    if usual.tells and own.taught < FOREIGN * usual.taught:
        return "suspect", "picture", (
            f"the other pictures teach {_drop(own.taught)} of it, and {_drop(usual.taught)} of a usual one."
        )
    if own.learnt < SLOW * usual.learnt:
        return "hard", "", f"trained on, its loss falls by {_drop(own.learnt)}, that of a usual one by {_drop(usual.learnt)}."
    if usual.own > 0 and own.own < OWN * usual.own:
        return "mined out", "", (
            f"the others teach {_drop(own.taught)} of it already, and training on it adds next to nothing."
        )
    return "learnt", "", f"its loss falls by {_drop(own.learnt)}, {_drop(own.taught)} by the other pictures alone."


def _lowered(before: Sequence[float], after: Sequence[float]) -> float:
    return sum(math.log(one / other) for one, other in zip(before, after, strict=True)) / len(before)


def _drop(lowered: float) -> str:
    """``24%`` for a loss that is lowered to 0.76 of what it was."""
    return f"{1 - math.exp(-lowered):.0%}"


def _percent(raised: float) -> str:
    return f"{math.expm1(raised):.0%}"

"""A place on the board for each picture of a data set: learnt, hard, suspect or mined out.

Wrong labels are found by models that were trained without them (confident learning, Northcutt et al. 2021,
arXiv:1911.00068). Here the models are short trainings, each of which leaves out a part of the data set, and what they
know of a picture is its loss at fixed noise. The finished adapter wouldn't do: it has learned the wrong pictures too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, Literal, NamedTuple

from ..core.words import counted, first_of
from ..data.dataset import Dataset
from .evidence import Evidence

Place = Literal["suspect", "hard", "mined out", "learnt"]
Fault = Literal["", "caption", "picture"]
PLACES: tuple[Place, ...] = ("suspect", "hard", "mined out", "learnt")
"""The most urgent first."""

HARM = 0.15
"""Harm of a caption from which it is suspect. On four data sets (``benchmarks/teaching/board.json``), those of eight
other pictures do 0.35 to 1.6, and 72 right ones 0.01 at most."""
FOREIGN = 0.2
"""Share of what the others teach about a usual picture, below which a picture is suspect. There, ten wrong
pictures have 0.09 at most, and the right ones 0.33 at least."""
SLOW = 0.6
"""Share of what is learnt of a usual picture, below which one is hard."""
OWN = 0.4
"""Share of what a usual picture adds by itself, below which one is mined out."""
LEAST_TAUGHT = 0.05
"""What the others must teach about a usual picture, so that pictures can be told apart by it."""


class Judgement(NamedTuple):
    """Where a picture belongs, and why."""

    place: Place
    fault: Fault
    """What seems to be wrong with a suspect."""
    reason: str
    """A clause with numbers."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """One picture on the board."""

    evidence: Evidence
    judgement: Judgement

    @property
    def name(self) -> str:
        return self.evidence.name

    @property
    def place(self) -> Place:
        return self.judgement.place

    @property
    def label(self) -> str:
        """For example ``suspect caption`` or ``learnt``."""
        return f"{self.place} {self.judgement.fault}".rstrip()

    def facts(self) -> dict[str, Any]:
        """As plain values, for reports."""
        own = self.evidence
        figures = {"taught": own.taught, "learnt": own.learnt, "harm": own.harm}
        return {
            "name": own.name, "content_hash": own.content_hash, **self.judgement._asdict(),
            **{name: round(value, 4) for name, value in figures.items()},
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Board:
    """All pictures of a data set in their places, in its order."""

    placed: tuple[Placed, ...]
    notes: tuple[str, ...] = ()
    """What can't be told, and why not."""

    @property
    def order(self) -> list[int]:
        """The pictures by index, the most urgent first; of one place, those first that the others teach least about."""

        def urgency(number: int) -> tuple[int, float]:
            own = self.placed[number]
            return PLACES.index(own.place), own.evidence.taught

        return sorted(range(len(self.placed)), key=urgency)

    def at(self, place: Place) -> list[Placed]:
        """The pictures of a place, the most urgent first."""
        return [self.placed[number] for number in self.order if self.placed[number].place == place]

    def suspects_of(self, dataset: Dataset) -> Dataset:
        """The suspects of the data set that the board is of."""
        records = [record for record, own in zip(dataset, self.placed, strict=True) if own.place == "suspect"]
        return replace(dataset, records=tuple(records), name=f"{dataset.name} (suspects)", skipped=(), notes=())

    def with_rarer(self, dataset: Dataset, factor: int) -> Dataset:
        """The data set that the board is of, with all pictures but suspects and mined-out ones shown ``factor`` times
        as often as before."""
        records = [
            record if own.place in ("suspect", "mined out") else replace(record, repeats=record.repeats * factor)
            for record, own in zip(dataset, self.placed, strict=True)
        ]
        return replace(dataset, records=tuple(records))

    def summary(self) -> str:
        """For example ``20 pictures: 3 suspect, 1 hard, 2 mined out, 14 learnt``."""
        counts = ", ".join(f"{len(self.at(place))} {place}" for place in PLACES)
        return f"{counted(len(self.placed), 'picture')}: {counts}"

    def __str__(self) -> str:
        """The summary, what can't be told, what to do, and a line for each picture, the most urgent first."""
        pictures = [self.placed[number] for number in self.order]
        told = [f"{own.label}: {own.name}: {own.judgement.reason}" for own in pictures]
        return "\n".join([self.summary(), *self.notes, *self._advice(), *told])

    def facts(self) -> dict[str, Any]:
        """As plain values, for reports."""
        return {
            "places": {place: [own.name for own in self.at(place)] for place in PLACES},
            "pictures": [own.facts() for own in self.placed],
            "notes": [*self.notes],
        }

    def _advice(self) -> Iterator[str]:
        names: dict[Fault, list[str]] = {"caption": [], "picture": [], "": []}
        for own in self.at("suspect"):
            names[own.judgement.fault].append(own.name)
        if names["caption"]:
            yield f"Read the captions of {first_of(names['caption'])}: they seem to speak of something else."
        if names["picture"]:
            yield f"Look at {first_of(names['picture'])}: they seem to show something else than the others."


def board(evidence: Sequence[Evidence]) -> Board:
    """Place every picture by its losses against those of the others.

    Args:
        evidence: of all pictures, at least one.
    """
    usual = _Usual.of(evidence)
    notes = () if usual.tells else (usual.note(),)
    return Board(placed=tuple(Placed(evidence=own, judgement=_judged(own, usual)) for own in evidence), notes=notes)


@dataclass(frozen=True, kw_only=True)
class _Usual:
    """Medians over the data set."""

    taught: float
    learnt: float
    own: float

    @staticmethod
    def of(evidence: Sequence[Evidence]) -> _Usual:
        return _Usual(
            taught=median(own.taught for own in evidence),
            learnt=median(own.learnt for own in evidence),
            own=median(own.own for own in evidence),
        )

    @property
    def tells(self) -> bool:
        """Whether what the others teach tells pictures apart."""
        return self.taught >= LEAST_TAUGHT

    def note(self) -> str:
        return (
            f"The trainings taught too little about pictures that they left out ({_drop(self.taught)} of the loss): "
            "only captions can be judged. More steps may help, unless the pictures have nothing in common."
        )


def _judged(own: Evidence, usual: _Usual) -> Judgement:
    by_others = f"the other pictures alone {_moved(own.taught)}"
    if own.harm > HARM:
        harm = f"{math.expm1(own.harm):.0%}"
        return Judgement("suspect", "caption", f"with its caption, its loss is {harm} higher than without a caption")
    if usual.tells and own.taught < FOREIGN * usual.taught:
        return Judgement("suspect", "picture", f"{by_others}, that of a usual one by {_drop(usual.taught)}")
    if own.learnt < SLOW * usual.learnt:
        trained = f"training on it {_moved(own.learnt, 's')}"
        return Judgement("hard", "", f"{trained}, that of a usual one by {_drop(usual.learnt)}")
    trained = f"{by_others}, training on it too by {_drop(own.learnt)}"
    if usual.tells and own.own < OWN * usual.own:
        return Judgement("mined out", "", f"{trained}: nothing is left to learn")
    return Judgement("learnt", "", trained)


def _moved(lowered: float, ending: str = "") -> str:
    """``lower its loss by 24%``, or ``raise`` it; ``ending`` is that of the verb."""
    verb, share = ("lower", _drop(lowered)) if lowered >= 0 else ("raise", f"{math.expm1(-lowered):.0%}")
    return f"{verb}{ending} its loss by {share}"


def _drop(lowered: float) -> str:
    """``24%`` for a loss that is lowered to 0.76 of what it was."""
    return f"{1 - math.exp(-lowered):.0%}"

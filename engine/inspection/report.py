"""The result of an inspection, as values, as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

from ..core.words import counted, first_of
from ..data.dataset import Dataset
from ..data.goals import Goal
from ..data.references import Reference
from ..data.remarks import remarks
from .flags import KINDS, Flag
from .measures import Measures

READY, USABLE, FIX = "ready", "usable", "fix first"
_SERIOUS = 0.5
NOTE = 0.0
"""Importance of a finding that is no problem."""
_FIRST = 3
"""Number of findings to act on first."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One problem of the data set, and what to do about it."""

    kind: str
    """A kind of flaw of a picture, ``count``, ``background``, ``light``, ``framing``, ``pose``, ``mended``, or one of
    captions."""
    text: str
    """A statement with numbers, without names."""
    advice: str
    importance: float
    """0 to 1; from 0.5 on it should be fixed before training. ``NOTE``: only good to know."""
    pictures: tuple[str, ...] = ()
    """Names of the pictures concerned."""

    def sentence(self) -> str:
        """Text, the first names, and advice."""
        named = f" ({first_of(self.pictures, 6)})" if self.pictures else ""
        return f"{self.text}{named}: {self.advice}."


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """One inspected picture."""

    flags: tuple[Flag, ...]
    """The most serious first."""
    measures: Measures | None = field(repr=False)
    """``None`` if it can't be read."""
    before: Measures | None = field(repr=False, default=None)
    """Of the picture before editing; ``None`` if there is none or it can't be read."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """An inspected data set."""

    dataset: Dataset
    goal: Goal
    side: int
    """Shorter side of training pictures, in pixels."""
    pictures: tuple[Inspected, ...]
    """One per record, in their order."""
    groups: tuple[tuple[int, ...], ...]
    """Indices of records that are copies of each other, the best of each group first."""
    findings: tuple[Finding, ...]
    """The most important first."""

    @property
    def verdict(self) -> str:
        """``ready``, ``usable`` or ``fix first``."""
        if not self.first:
            return READY
        return FIX if self.findings[0].importance >= _SERIOUS else USABLE

    @property
    def first(self) -> tuple[Finding, ...]:
        """The three findings to act on first; notes aren't among them."""
        return tuple(finding for finding in self.findings if finding.importance > NOTE)[:_FIRST]

    def labels(self) -> list[list[str]]:
        """For each record, the labels of its flags."""
        return [[flag.label for flag in picture.flags] for picture in self.pictures]

    def text(self) -> str:
        """The report as text."""
        flawed = sum(bool(picture.flags) for picture in self.pictures)
        count = len(self.dataset)
        lines = [f"{self.dataset.name}: {counted(count, 'picture')} for a {self.goal}, judged at {self.side} px", ""]
        lines.append(self.summary())
        if rest := self.findings[len(self.first) :]:
            lines += ["", "Also:", *(f"  - {finding.sentence()}" for finding in rest)]
        if flawed:
            lines += ["", f"Flawed pictures ({flawed} of {count}):"]
            lines += [
                f"  {record.name}: {'; '.join(f'{flag.label} ({flag.reason})' for flag in picture.flags)}"
                for record, picture in zip(self.dataset, self.pictures, strict=True)
                if picture.flags
            ]
        if files := remarks(self.dataset, most=1000):
            lines += ["", "Files:", *(f"  {line}" for line in files)]
        return "\n".join(lines)

    def summary(self) -> str:
        """The verdict and what to do first."""
        if not self.first:
            return "Verdict: ready. No problems were found."
        first = [f"  {number}. {finding.sentence()}" for number, finding in enumerate(self.first, 1)]
        return "\n".join([f"Verdict: {self.verdict}. What to do first:", *first])

    def values(self) -> dict[str, Any]:
        """Plain values for programs."""
        return {
            "name": self.dataset.name,
            "goal": self.goal,
            "side": self.side,
            "verdict": self.verdict,
            "first": [finding.sentence() for finding in self.first],
            "findings": [asdict(finding) for finding in self.findings],
            "pictures": [
                {
                    "name": record.name,
                    "sha256": record.content_hash,
                    "flags": [asdict(flag) for flag in picture.flags],
                    "measures": _figures(picture.measures) if picture.measures else None,
                    **({"before": _before(record.reference, picture.before)} if record.reference else {}),
                }
                for record, picture in zip(self.dataset, self.pictures, strict=True)
            ],
            "copies": [[self.dataset.records[number].name for number in group] for group in self.groups],
            "skipped": [asdict(skipped) for skipped in self.dataset.skipped],
            "notes": [asdict(note) for note in self.dataset.notes],
        }

    def json(self) -> str:
        """The values as a JSON object."""
        return json.dumps(self.values(), indent=2, ensure_ascii=False, allow_nan=False)


def _before(reference: Reference, measures: Measures | None) -> dict[str, Any]:
    return {
        "name": reference.name,
        "sha256": reference.content_hash,
        "measures": _figures(measures) if measures else None,
    }


def _figures(measures: Measures) -> dict[str, Any]:
    """Measures without vectors, rounded to three decimal places; ``None`` for NaN."""
    figures = {
        "edges": measures.sharpness.edges,
        "evenness": measures.sharpness.evenness,
        "finest": measures.detail.finest,
        "idle": measures.detail.idle,
        **measures.exposure._asdict(),
        "noise": measures.noise,
        "blockiness": measures.blockiness,
        "bars": measures.borders.area,
    }
    plain = {name: round(value, 3) if value == value else None for name, value in figures.items()}
    return plain | {"jpeg_quality": measures.jpeg_quality}


def picture_findings(dataset: Dataset, flags: list[list[Flag]]) -> list[Finding]:
    """One finding for each kind of flaw that occurs."""
    found = []
    for name, kind in KINDS.items():
        flawed = [r.name for r, f in zip(dataset, flags, strict=True) if any(flag.kind == name for flag in f)]
        if flawed:
            share = len(flawed) / len(dataset)
            verb = "" if name == "unreadable" else ("is " if len(flawed) == 1 else "are ")
            found.append(
                Finding(
                    kind=name,
                    text=f"{len(flawed)} of {counted(len(dataset), 'picture')} {verb}{kind.what}",
                    advice=kind.advice,
                    importance=kind.weight * min(1.0, 0.3 + 2 * share),
                    pictures=tuple(flawed),
                )
            )
    return found

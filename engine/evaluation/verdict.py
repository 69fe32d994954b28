"""Which snapshot to use, and what went wrong on the way, from the figures of all snapshots of a run.

The pick is the first snapshot that has learned nearly all that the run learns of its pictures. Waiting for more only
fits these pictures more closely; and choosing where the loss of held-out pictures is lowest would stop far too early:
that loss rises long before the likeness of what is drawn stops growing (Bonnaire et al. 2025, arXiv:2505.17638, on how
far apart the two times are). So that loss tells that a run over-fits, not which snapshot draws best.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import takewhile
from typing import Any

from ..core.words import counted
from .figures import Figures

NEARLY_ALL = 0.97
"""Share of what a run learns, from which on a snapshot has learned nearly all."""
LOST = 0.5
"""Share of the gain on held-out pictures whose loss is called over-fitting."""
LATE_SHARE, LATE = 0.1, 0.25
"""A run still learns if it learned more than the one in the last part of its steps that the other gives."""
FEWEST = 3
"""Snapshots, and held-out pictures, from which on they tell something."""
_SIGNIFICANT = 0.05
_DRIFTS = 0.85
"""Drift that is told. On the demo base, ten runs with class pictures come to 0.31 to 0.80, the most in styles whose
captions of the class name a style too, and five without any to 0.89 to 0.97."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the figures of a run's snapshots tell."""

    best: int
    """Step of the snapshot to use."""
    over_fit_since: int | None = None
    """Step of the snapshot from which on the run over-fits; ``None`` if it doesn't, or if it can't be told."""
    repeats_since: int | None = None
    """Step of the snapshot from which on drawn pictures repeat training pictures; ``None`` if none do, or if none were
    drawn."""
    still_learning: bool = False
    """Whether more steps would have taught more."""
    reasons: tuple[str, ...] = ()
    """Why, one sentence each; also what can't be told, and why not."""

    def facts(self) -> dict[str, Any]:
        """As plain values, for reports."""
        return asdict(self) | {"reasons": [*self.reasons]}

    def in_short(self) -> str:
        """For lists: ``best 240, over-fits since 120``."""
        since = f", over-fits since {self.over_fit_since}" if self.over_fit_since is not None else ""
        since += f", repeats pictures since {self.repeats_since}" if self.repeats_since is not None else ""
        return f"best {self.best}{since}{', still learning' if self.still_learning else ''}"

    def __str__(self) -> str:
        return " ".join([f"Best: step {self.best}.", *self.reasons])


def verdict(measured: Sequence[Figures]) -> Verdict | None:
    """Judge the snapshots of a run.

    Args:
        measured: their figures, in any order. Only those of the same pictures and draws as the last are compared.

    Returns:
        ``None`` if there are no figures.
    """
    if not measured:
        return None
    ordered = sorted(measured, key=lambda figures: figures.step)
    course = _Course([figures for figures in ordered if figures.key == ordered[-1].key])
    over_fit = course.over_fit_since
    reasons = [*course.of_the_pick(), *course.of_held_out(over_fit), *course.of_drift()]
    if other := len(ordered) - len(course.figures):
        reasons.append(f"{counted(other, 'snapshot')} measured in another way can't be compared.")
    return Verdict(
        best=course.best.step, over_fit_since=over_fit, still_learning=course.still_learning, reasons=tuple(reasons)
    )


@dataclass(frozen=True)
class _Course:
    """The figures of snapshots that can be compared, by step; at least one."""

    figures: Sequence[Figures]

    @property
    def learned(self) -> list[float]:
        """By how much each snapshot lowers the loss of training pictures below the base model's."""
        return [(own.base_loss(held=False) or 0.0) - own.training_loss for own in self.figures]

    @property
    def gained(self) -> list[float]:
        """The same of held-out pictures; empty without any."""
        losses = [(own.base_loss(held=True), own.held_loss) for own in self.figures]
        return [base - loss for base, loss in losses if base is not None and loss is not None]

    @property
    def best(self) -> Figures:
        learned = self.learned
        if max(learned) <= 0:
            return self.figures[-1]
        return next(
            own for own, share in zip(self.figures, learned, strict=True) if share >= NEARLY_ALL * max(learned)
        )  # fmt: skip

    @property
    def still_learning(self) -> bool:
        last = self.figures[-1].step
        earlier = [
            share for own, share in zip(self.figures, self.learned, strict=True) if own.step <= last * (1 - LATE)
        ]
        return bool(earlier) and max(earlier) < (1 - LATE_SHARE) * max(self.learned)

    @property
    def over_fit_since(self) -> int | None:
        """The first snapshot from which on more than ``LOST`` of the gain on held-out pictures stays lost."""
        gained = self.gained
        if len(gained) < FEWEST or self.held < FEWEST or max(self.learned) <= 0:
            return None
        bound = (1 - LOST) * max(max(gained), 0.0)
        lost = [*takewhile(lambda own: own[1] < bound, reversed([*zip(self.figures, gained, strict=True)]))]
        return lost[-1][0].step if lost else None

    @property
    def held(self) -> int:
        return sum(picture.held for picture in self.figures[-1].pictures)

    def of_the_pick(self) -> Iterator[str]:
        """Why this snapshot."""
        last = self.figures[-1].step
        if max(self.learned) <= 0:
            yield "The adapter predicts its training pictures no better than the base model does: nothing was learned."
        elif len(self.figures) < FEWEST:
            yield f"There are too few snapshots to compare: {len(self.figures)}, of {FEWEST} at least."
        elif self.still_learning:
            late = 1 - max(self._until(last * (1 - LATE))) / max(self.learned)
            yield f"It was still learning at the end, {late:.0%} in the last quarter: more steps would teach more."
        elif self.best.step < last:
            share = self._until(self.best.step)[-1] / max(self.learned)
            yield f"It has learned {share:.0%} of what the run learns of its pictures; later ones only fit them closer."

    def of_held_out(self, over_fit: int | None) -> Iterator[str]:
        """What pictures tell that it hasn't seen."""
        if not self.held:
            yield "Without held-out pictures (held_out in the recipe), over-fitting can't be told."
            return
        if self.held < FEWEST:
            yield f"{counted(self.held, 'held-out picture')} can't tell over-fitting; it takes {FEWEST}."
        elif over_fit is not None:
            lost = (
                "it predicts pictures that it hasn't seen worse than the base model does"
                if max(self.gained) <= 0
                else "on pictures that it hasn't seen, more than half of the gain is lost again"
            )
            yield f"Since step {over_fit} it over-fits: {lost}. More pictures help most, fewer steps next."
        elif len(self.gained) >= FEWEST and max(self.gained) > 0:
            kept, pictures = self.gained[-1] / max(self.gained), counted(self.held, "held-out picture")
            yield f"It doesn't over-fit: {kept:.0%} of the best gain on {pictures} is there at the end."
        known = self.best.membership
        if known and known.p < _SIGNIFICANT and over_fit is not None:
            yield f"It tells its training pictures from others (AUC {known.auc:.2f}, p {known.p:.2g})."

    def of_drift(self) -> Iterator[str]:
        """What becomes of prompts without the trigger word."""
        if self.best.drift is not None and self.best.drift >= _DRIFTS:
            yield (
                f"Prompts without the trigger word change {self.best.drift:.2f} times as much as those with it: "
                "regularization pictures or output_preservation would keep them as they were."
            )

    def _until(self, step: float) -> list[float]:
        return [share for own, share in zip(self.figures, self.learned, strict=True) if own.step <= step]

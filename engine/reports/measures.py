"""What was measured of the snapshots of a run, as its report shows it."""

from __future__ import annotations

from collections.abc import Sequence

from ..evaluation.figures import Figures
from ..evaluation.verdict import verdict
from .page import Measure, Verdict


def judged(figures: Sequence[Figures]) -> tuple[Verdict | None, int | None]:
    """The verdict, and the step that it picks; ``None`` for both if nothing was measured."""
    found = verdict(figures)
    return (Verdict(text=f"Best: step {found.best}.", reasons=found.reasons), found.best) if found else (None, None)


def measures(figures: Sequence[Figures]) -> list[Measure]:
    """The measures by step, as curves."""
    training = [(float(own.step), own.training_loss) for own in figures]
    held = [(float(own.step), own.held_loss) for own in figures if own.held_loss is not None]
    drift = [(float(own.step), own.drift) for own in figures if own.drift is not None]
    return [
        Measure(
            name="Loss of training pictures", points=training, better="lower",
            about="At the same noise at each step. It falls as long as the adapter learns its pictures.",
        ),
        Measure(
            name="Loss of held-out pictures", points=held, better="lower",
            about="Where it rises for long, the adapter learns its pictures by heart.",
        ),
        Measure(
            name="Drift", points=drift, better="lower",
            about="How far predictions for captions without the trigger word move, over how far those with it do.",
        ),
    ]  # fmt: skip

"""What was measured of the snapshots of a run, as its report shows it."""

from __future__ import annotations

from collections.abc import Sequence

from ..evaluation.figures import Figures
from ..evaluation.sample_course import SampleCourse
from ..evaluation.sampled import REPEATS
from .page import Measure


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


def measures_of_pictures(course: SampleCourse) -> list[Measure]:
    """The measures of drawn pictures by step, as curves."""

    def curve(name: str) -> list[tuple[float, float]]:
        values = [(float(own.step), getattr(own, name)) for own in course.figures]
        return [(step, value) for step, value in values if value is not None]

    return [
        Measure(
            name="Novelty", points=curve("novelty"), better="higher",
            about="Distance of the drawn picture that is nearest to a training picture, over that between training "
            f"pictures. Up to {REPEATS:g} it repeats one.",
        ),
        Measure(
            name="Likeness", points=curve("likeness"), better="higher",
            about=f"Of pictures drawn from captions to the {course.likeness_is_of} that have them.",
        ),
        Measure(
            name="Adherence", points=curve("adherence"), better="higher",
            about="How far pictures of different prompts differ, over how far the base model's do.",
        ),
        Measure(
            name="Drift of pictures", points=curve("drift"), better="lower",
            about="How far pictures of prompts without the trigger word change, over how far those with it do.",
        ),
    ]  # fmt: skip

"""Snapshots that were compared by what they draw, as nodes show them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...engine.evaluation.sample_course import SampleCourse
    from ...engine.evaluation.sampled import SampleFigures
    from ...engine.evaluation.verdict import Verdict
    from ...engine.runs.comparing import Comparison

_MEASURES = ("novelty", "likeness", "adherence", "drift")
_LONGEST = 384
"""Pixels of a cell's side: a grid of many large pictures wouldn't fit into memory."""


def grid_of(comparison: Comparison, best: int, title: str) -> Image:
    """A row for each prompt; the base model's column, then one for each snapshot."""
    from ...engine.figures.grid import Label, labeled_grid

    course = comparison.course
    rows = [Label(own.prompt, own.kind) for own in course.asked]
    heads = [Label("base model", f"seed {course.seed}")]
    heads += [
        Label(f"step {own.step}", ", ".join(_marks(own.step == best, bool(own.repeated)))) for own in course.figures
    ]
    cells = [[_small(own.image) for own in row] for row in zip(*comparison.columns, strict=True)]
    return labeled_grid(rows, heads, cells, title=title)


def _marks(is_best: bool, repeats: bool) -> list[str]:
    return [*(["best"] if is_best else []), *(["repeats a picture"] if repeats else [])]


def _small(picture: Image) -> Image:
    from PIL import Image

    small = picture.copy()
    small.thumbnail((_LONGEST, _LONGEST), Image.Resampling.LANCZOS)
    return small


def plot_of_course(course: SampleCourse, found: Verdict, title: str) -> Image:
    """The measures over the steps, with the snapshot to use."""
    from ...engine.figures.verdict_plot import verdict_plot

    measures = {name: [getattr(own, name) for own in course.figures] for name in _MEASURES}
    lines = {name: _numbers(values) for name, values in measures.items() if any(v is not None for v in values)}
    return verdict_plot(
        course.steps, lines, best=found.best, over_fit_since=course.repeats_since, title=title,
        axis="measures of drawn pictures", shade="repeats its pictures",
    )  # fmt: skip


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def table_of(course: SampleCourse) -> str:
    """The measures as lines of text, the base model's first."""
    of = f"; likeness to {course.likeness_is_of}" if course.likeness_is_of else ""
    return "\n".join([f"Measured by {course.space}{of}.", *(_line(own) for own in (course.base, *course.figures))])


def _line(figures: SampleFigures) -> str:
    told = ", ".join(f"{name} {value:.2f}" for name in _MEASURES if (value := getattr(figures, name)) is not None)
    return f"{f'step {figures.step}' if figures.step else 'base model'}: {told or 'nothing can be measured'}"

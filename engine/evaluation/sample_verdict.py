"""The verdict on snapshots with what their drawn pictures tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .figures import Figures
from .sample_course import SampleCourse
from .verdict import Verdict, verdict

_MORE = "measures = true in the recipe would tell more."
_LAST = f"Likeness of the pictures can't tell, so this is the last one; {_MORE}"


def judged(figures: Sequence[Figures], course: SampleCourse | None) -> Verdict | None:
    """The verdict on the snapshots of a run, by all that is known of them; ``None`` if that is nothing.

    Args:
        figures: by losses.
        course: by drawn pictures, if snapshots were compared.
    """
    found = verdict(figures)
    return with_pictures(found, course) if course else found


def with_pictures(found: Verdict | None, course: SampleCourse) -> Verdict:
    """The verdict with what drawn pictures tell.

    Losses choose the snapshot where they were measured: they see more of what was learned than a few pictures do. Where
    they weren't, likeness chooses.

    Args:
        found: by losses; ``None`` if they weren't measured.
        course: what the pictures tell.
    """
    if found is None:
        found = _by_likeness(course)
    return replace(found, repeats_since=course.repeats_since, reasons=(*found.reasons, *course.of_pictures(found.best)))


def _by_likeness(course: SampleCourse) -> Verdict:
    if course.best is None:
        return Verdict(best=course.steps[-1], reasons=(_LAST,))
    return Verdict(best=course.best, reasons=(f"Its pictures are the most like {course.likeness_is_of}; {_MORE}",))

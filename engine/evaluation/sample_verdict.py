"""The verdict on snapshots with what their drawn pictures tell."""

from __future__ import annotations

from dataclasses import replace

from .sample_course import SampleCourse
from .verdict import Verdict


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
        told = (
            "No prompt is the caption of a picture, so this is the last one; measures = true in the recipe tells more."
        )
        return Verdict(best=course.steps[-1], reasons=(told,))
    told = (
        f"It is chosen by the likeness of drawn pictures to {course.likeness_is_of} alone; measures = true in the recipe "
        "tells more."
    )
    return Verdict(best=course.best, reasons=(told,))

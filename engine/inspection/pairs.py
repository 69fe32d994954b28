"""What is wrong with pairs: with their pictures before editing, and with how these go with their results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from ..core.errors import DatasetError
from ..data.dataset import Dataset, ImageRecord
from ..data.goals import Goal
from .duplicates import duplicate_groups
from .flags import KINDS, Flag, Limits, flags_of
from .measures import Measured, Measures
from .report import NOTE, Finding
from .variety import Seen, variety_findings

FEWEST, USUAL_MOST = 10, 30
"""Pairs that usually teach one edit."""
_UNCHANGED = 6
"""Largest difference of a color, 0 to 255, at 32 x 32 pixels, between two files of the same picture."""
_SOFT = {"blurred", "upscaled"}
"""Kinds of flaws that an edit for sharpness mends together; which of them a picture has is a matter of degree."""
_ONLY_OF_RESULTS = {"aspect"}
"""Kinds of flaws that say nothing of a picture before editing: it gets the crops of its result."""


def flaws_before_editing(
    dataset: Dataset, before: Sequence[Measured | None], flags: Sequence[Sequence[Flag]], side: int, limits: Limits
) -> list[list[Flag]]:
    """The flaws of each record's reference that its result doesn't have; none for records without one.

    Args:
        dataset: of pairs and other records.
        before: measures of the references, or why there are none.
        flags: those of the results.
        side: shorter side of training pictures, in pixels.
        limits: values of the measures at which a flaw begins.
    """
    found = []
    for record, measured, own in zip(dataset, before, flags, strict=True):
        shared = {flag.kind for flag in own} | _ONLY_OF_RESULTS
        if record.reference is None or not isinstance(measured, Measures):
            found.append([])
            continue
        flaws = flags_of(record.reference, measured, side, limits)
        found.append([flaw for flaw in flaws if flaw.kind not in shared])
    return found


def mended(flaws: Sequence[Sequence[Flag]], pairs: int) -> dict[str, int]:
    """Kinds of flaws that more than half of the references have and their results don't, with how many have them. To
    mend these is taken to be the edit."""
    counts = Counter(flaw.kind for own in flaws for flaw in own)
    soft = sum(any(flaw.kind in _SOFT for flaw in own) for own in flaws)
    return {kind: count for kind, count in counts.items() if 2 * (soft if kind in _SOFT else count) > pairs}


def pair_flags(
    record: ImageRecord, result: Measured, before: Measured | None, flaws: Sequence[Flag], usual: Sequence[str]
) -> list[Flag]:
    """What is wrong with a pair, beside the flaws of its result.

    Args:
        record: with a reference, or there is nothing to say.
        result: measures of its picture, or why there are none.
        before: the same of its reference.
        flaws: as ``flaws_before_editing`` has them.
        usual: kinds of flaws that the edit mends.
    """
    reference = record.reference
    if reference is None or before is None:
        return []
    if isinstance(before, DatasetError):
        return [Flag(kind="unreadable_before", reason=before.got)]
    size, other = (record.width, record.height), (reference.width, reference.height)
    found = []
    if not reference.fits(size):
        reason = f"{_sides(other)} pixels before editing, {_sides(size)} after: only its middle is used"
        found.append(Flag(kind="reshaped", reason=reason))
    elif not isinstance(result, DatasetError) and _same_picture(result, before):
        found.append(Flag(kind="unedited", reason=f"{reference.name} shows the same"))
    named = [f"{KINDS[flaw.kind].label}: {flaw.reason}" for flaw in flaws if flaw.kind not in usual]
    if named:
        found.append(Flag(kind="flawed_before", reason=f"{reference.name}, {'; '.join(named)}"))
    return found


def pair_findings(
    dataset: Dataset, before: Sequence[Measured | None], usable: int, mends: dict[str, int], goal: Goal
) -> Iterator[Finding]:
    """Findings about a set of pairs: their number, what the edit mends, and what all pictures before editing share.

    Args:
        dataset: of pairs and other records.
        before: measures of the references, or why there are none.
        usable: number of readable pairs without copies.
        mends: as ``mended`` has it.
        goal: what the adapter should learn.
    """
    if usable < FEWEST:
        yield Finding(
            kind="count",
            text=f"{usable} different pairs, where {FEWEST} to {USUAL_MOST} are usual for one edit",
            advice="add pairs, or check samples early: so few are soon memorized",
            importance=0.4 + 0.5 * (1 - usable / FEWEST),
        )
    for kind, count in mends.items():
        yield Finding(
            kind="mended",
            text=f"{count} of {sum(r.reference is not None for r in dataset)} pictures before editing are "
            f"{KINDS[kind].what}, and their results aren't",
            advice="nothing needs to be done if to mend that is the edit; else replace them",
            importance=NOTE,
        )
    seen = [Seen(record=r, measures=m) for r, m in zip(dataset, before, strict=True) if isinstance(m, Measures)]
    for finding in variety_findings(seen, goal):
        advice = "add pairs that differ in it, or the adapter may only edit such pictures"
        yield replace(finding, text=f"before editing, {finding.text}", advice=advice)


def groups_of_pairs(
    dataset: Dataset, groups: Sequence[Sequence[int]], before: Sequence[Measured | None]
) -> list[list[int]]:
    """Groups of copies, by index, divided where results are the same and what they were made of isn't."""
    divided = []
    for group in groups:
        single = [number for number in group if dataset.records[number].reference is None]
        pairs = [(number, m) for number in group if isinstance(m := before[number], Measures)]
        same = duplicate_groups([m.signature for _, m in pairs])
        divided += [single, *([pairs[place][0] for place in places] for places in same)]
    return [group for group in divided if len(group) > 1]


def _same_picture(one: Measures, other: Measures) -> bool:
    apart = np.abs(one.colors.astype(np.int16) - other.colors)
    return bool(apart.max() <= _UNCHANGED)


def _sides(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"

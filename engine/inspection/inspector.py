"""Inspection of a data set: every picture, also those before editing, is measured once, then the set is judged as a
whole."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from ..core.errors import ConfigError, DatasetError
from ..core.events import Event, Progress
from ..data.caption_tokens import Tokenizing
from ..data.dataset import Dataset, ImageRecord
from ..data.goals import USUAL, Goal
from .caption_text import length_findings, mark_findings
from .captions import caption_findings
from .duplicates import duplicate_groups, similarity
from .flags import KINDS, Flag, Limits, flags_of
from .measures import Measured, Measures, Picture, try_measure
from .oddness import odd_ones
from .pairs import flaws_before_editing, groups_of_pairs, mended, pair_findings, pair_flags
from .report import Inspected, Inspection, picture_findings
from .variety import Seen, count_finding, variety_findings

_MAX_THREADS = 8


def inspect(
    dataset: Dataset,
    *,
    goal: Goal = "subject",
    side: int = 512,
    limits: Limits | None = None,
    backbone: Tokenizing | None = None,
) -> Generator[Event, None, Inspection]:
    """Inspect pictures and captions. Pictures already measured, by content, are not decoded again.

    Args:
        dataset: may be empty.
        goal: what the adapter should learn.
        side: shorter side of training pictures, in pixels.
        limits: values of the measures at which a flaw begins.
        backbone: the base model; its tokenizers count the captions' tokens.

    Raises:
        ConfigError: an unknown goal, or a side below 1.
    """
    if goal not in USUAL or side < 1:
        raise ConfigError(
            f"Can't inspect for goal {goal!r} at {side} px.",
            expected=f"one of {', '.join(USUAL)}, and a side of at least 1 pixel",
            hint="choose a goal, and a resolution or a base model.",
        )
    limits = limits or Limits()
    measured, before = yield from _measure_results_and_references(dataset, side)
    flags = [_own_flags(r, m, side, limits) for r, m in zip(dataset, measured, strict=True)]
    mends = _flag_pairs(dataset, measured, before, flags, side, limits)
    measures = [m if isinstance(m, Measures) else None for m in measured]
    groups = _flag_copies(dataset, measures, before, flags)
    if goal != "style" and not dataset.has_pairs:
        _flag_odd_ones(measures, groups, flags)
    seen = _without_copies(dataset, measures, groups)
    of_set = (
        pair_findings(dataset, before, len(seen), mends, goal)
        if dataset.has_pairs
        else (*count_finding(len(dataset), len(seen), goal), *variety_findings(seen, goal))
    )
    found = [
        *of_set,
        *picture_findings(dataset, flags),
        *caption_findings(dataset),
        *mark_findings(dataset),
        *(length_findings(dataset, backbone) if backbone else ()),
    ]
    return Inspection(
        dataset=dataset,
        goal=goal,
        side=side,
        pictures=tuple(map(_inspected, flags, measured, before)),
        groups=tuple(groups),
        findings=tuple(sorted(found, key=lambda finding: -finding.importance)),
    )


def _inspected(flags: list[Flag], measured: Measured, before: Measured | None) -> Inspected:
    return Inspected(
        flags=tuple(flags),
        measures=measured if isinstance(measured, Measures) else None,
        before=before if isinstance(before, Measures) else None,
    )


def _measure_results_and_references(
    dataset: Dataset, side: int
) -> Generator[Event, None, tuple[list[Measured], list[Measured | None]]]:
    """Measures of each record's picture, and of its reference if it has one."""
    references = [record.reference for record in dataset if record.reference]
    measured = yield from _measure_all([*dataset.records, *references], side)
    left = iter(measured[len(dataset) :])
    return measured[: len(dataset)], [next(left) if record.reference else None for record in dataset]


def _measure_all(records: Sequence[Picture], side: int) -> Generator[Event, None, list[Measured]]:
    """Measures in the order of the pictures, computed by one thread per core with little read ahead."""
    threads = min(_MAX_THREADS, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads, "inspect")
    waiting: deque[Future[Measured]] = deque()
    measured: list[Measured] = []
    left = iter(records)
    try:
        while len(measured) < len(records):
            while len(waiting) < 2 * threads and (record := next(left, None)) is not None:
                waiting.append(pool.submit(try_measure, record, side))
            measured.append(waiting.popleft().result())
            yield Progress(done=len(measured), total=len(records), label="inspecting pictures")
    finally:
        pool.shutdown(cancel_futures=True)
    return measured


def _own_flags(record: ImageRecord, measured: Measured, side: int, limits: Limits) -> list[Flag]:
    if isinstance(measured, DatasetError):
        return [Flag(kind="unreadable", reason=measured.got.removeprefix(f"{record.name}: "))]
    return flags_of(record, measured, side, limits)


def _flag_pairs(
    dataset: Dataset,
    measured: Sequence[Measured],
    before: Sequence[Measured | None],
    flags: list[list[Flag]],
    side: int,
    limits: Limits,
) -> dict[str, int]:
    """Flag what is wrong with pairs, and give the flaws that the edit mends, as in ``pairs.mended``."""
    flaws = flaws_before_editing(dataset, before, flags, side, limits)
    mends = mended(flaws, sum(record.reference is not None for record in dataset))
    for record, result, reference, own, listed in zip(dataset, measured, before, flaws, flags, strict=True):
        listed += pair_flags(record, result, reference, own, list(mends))
    return mends


def _flag_copies(
    dataset: Dataset,
    measures: Sequence[Measures | None],
    before: Sequence[Measured | None],
    flags: list[list[Flag]],
) -> list[tuple[int, ...]]:
    """Flag all copies but the best of each group: the one with the fewest flaws, then with the most pixels. Pairs are
    copies if both of their pictures are.

    Returns:
        The groups, by index, each with the best copy first.
    """
    signatures = {number: m.signature for number, m in enumerate(measures) if m is not None}
    numbers = list(signatures)

    def rank(number: int) -> tuple[float, int, int]:
        record = dataset.records[number]
        return sum(KINDS[flag.kind].weight for flag in flags[number]), -record.width * record.height, number

    found = duplicate_groups(list(signatures.values()))
    alike = groups_of_pairs(dataset, [[numbers[place] for place in group] for group in found], before)
    groups = [tuple(sorted(group, key=rank)) for group in alike]
    for best, *others in groups:
        for number in others:
            reason = f"{similarity(signatures[number], signatures[best]):.0%} similar"
            flags[number].append(Flag(kind="duplicate", reason=reason, of=dataset.records[best].name))
    return groups


def _flag_odd_ones(
    measures: Sequence[Measures | None], groups: Sequence[tuple[int, ...]], flags: list[list[Flag]]
) -> None:
    copies = {number for group in groups for number in group[1:]}
    single = {n: m.signature for n, m in enumerate(measures) if m is not None and n not in copies}
    numbers = list(single)
    for place, resemblance in odd_ones(list(single.values())):
        reason = f"its similarity to the others, {resemblance:.2f}, is low for this set"
        flags[numbers[place]].append(Flag(kind="odd", reason=reason))


def _without_copies(
    dataset: Dataset, measures: Sequence[Measures | None], groups: Sequence[tuple[int, ...]]
) -> list[Seen]:
    copies = {number for group in groups for number in group[1:]}
    return [
        Seen(record=record, measures=m)
        for number, (record, m) in enumerate(zip(dataset, measures, strict=True))
        if number not in copies and m is not None
    ]

"""Inspection of a data set: every picture is measured once, then the set is judged as a whole."""

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
from .measures import Measures, try_measure
from .oddness import odd_ones
from .report import Finding, Inspected, Inspection, picture_findings
from .variety import Seen, count_finding, variety_findings

_MAX_THREADS = 8
_Measured = list["Measures | DatasetError"]


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
    measured = yield from _measure_all(dataset.records, side)
    flags = [_own_flags(r, m, side, limits or Limits()) for r, m in zip(dataset, measured, strict=True)]
    measures = [None if isinstance(m, DatasetError) else m for m in measured]
    groups = _flag_copies(dataset, measures, flags)
    if goal != "style":
        _flag_odd_ones(measures, groups, flags)
    return Inspection(
        dataset=dataset,
        goal=goal,
        side=side,
        pictures=tuple(Inspected(flags=tuple(f), measures=m) for f, m in zip(flags, measures, strict=True)),
        groups=tuple(groups),
        findings=_findings(dataset, flags, measures, groups, goal, backbone),
    )


def _measure_all(records: Sequence[ImageRecord], side: int) -> Generator[Event, None, _Measured]:
    """Measures in the order of the records, computed by one thread per core with little read ahead."""
    threads = min(_MAX_THREADS, os.cpu_count() or 1)
    pool = ThreadPoolExecutor(threads, "inspect")
    waiting: deque[Future[Measures | DatasetError]] = deque()
    measured: _Measured = []
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


def _own_flags(record: ImageRecord, measured: Measures | DatasetError, side: int, limits: Limits) -> list[Flag]:
    if isinstance(measured, DatasetError):
        return [Flag(kind="unreadable", reason=measured.got.removeprefix(f"{record.name}: "))]
    return flags_of(record, measured, side, limits)


def _flag_copies(
    dataset: Dataset, measures: Sequence[Measures | None], flags: list[list[Flag]]
) -> list[tuple[int, ...]]:
    """Flag all copies but the best of each group: the one with the fewest flaws, then with the most pixels.

    Returns:
        The groups, by index, each with the best copy first.
    """
    signatures = {number: m.signature for number, m in enumerate(measures) if m is not None}
    numbers = list(signatures)

    def rank(number: int) -> tuple[float, int, int]:
        record = dataset.records[number]
        return sum(KINDS[flag.kind].weight for flag in flags[number]), -record.width * record.height, number

    found = duplicate_groups(list(signatures.values()))
    groups = [tuple(sorted((numbers[place] for place in group), key=rank)) for group in found]
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


def _findings(
    dataset: Dataset,
    flags: list[list[Flag]],
    measures: Sequence[Measures | None],
    groups: list[tuple[int, ...]],
    goal: Goal,
    backbone: Tokenizing | None,
) -> tuple[Finding, ...]:
    copies = {number for group in groups for number in group[1:]}
    seen = [
        Seen(record=record, measures=m)
        for number, (record, m) in enumerate(zip(dataset, measures, strict=True))
        if number not in copies and m is not None
    ]
    found = [
        *count_finding(len(dataset), len(seen), goal),
        *picture_findings(dataset, flags),
        *variety_findings(seen, goal),
        *caption_findings(dataset),
        *mark_findings(dataset),
        *(length_findings(dataset, backbone) if backbone else ()),
    ]
    return tuple(sorted(found, key=lambda finding: -finding.importance))

"""What a farm has computed, and whether it is what a farm without trouble computes."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .jobs import AT_ONCE, DRAWING_STEPS, PICTURES, SAVE_EVERY, STEPS, Job
from .scheduler import Attempt, Farm

UNITS = {
    "train": ("step", STEPS, SAVE_EVERY),
    "generate": ("drawn", PICTURES * DRAWING_STEPS, AT_ONCE * DRAWING_STEPS),
}
"""Kind of job -> what its work is counted by, how many of these it takes, and how many a kill may destroy: those since
the last training state, or those of the pictures that are drawn at once."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Units of work over all jobs of a kind: steps of training, or steps of drawing one picture."""

    needed: int
    computed: int
    destroyed: int
    """The most that what happened to the jobs can explain."""
    unexplained: int
    """Computed again beyond that."""


def work_done(jobs: Sequence[Job], attempts: Sequence[Attempt], torn: Sequence[str], kind: str) -> Work:
    """What was computed for all jobs of a kind, over all attempts."""
    what, units, at_stake = UNITS[kind]
    computed, allowed = Counter[int](), Counter[int]()
    torn_jobs = _torn_jobs(jobs, attempts, torn)
    for attempt in attempts:
        if jobs[attempt.job].kind == kind:
            computed[attempt.job] += _units(attempt, what)
            allowed[attempt.job] += at_stake if attempt.end != "done" else 0
    for job, count in torn_jobs.items():
        allowed[job] += units * count
    own = [number for number, job in enumerate(jobs) if job.kind == kind and computed[number]]
    again = {number: computed[number] - units for number in own}
    return Work(
        needed=units * len(own),
        computed=sum(computed.values()),
        destroyed=sum(min(allowed[number], max(0, more)) for number, more in again.items()),
        unexplained=sum(max(0, more - allowed[number]) for number, more in again.items()),
    )


def work_of(jobs: Sequence[Job], attempts: Sequence[Attempt], torn: Sequence[str]) -> dict[str, dict[str, int]]:
    """:func:`work_done` of both kinds."""
    kinds = {"training steps": "train", "drawing steps": "generate"}
    return {name: vars(work_done(jobs, attempts, torn, kind)) for name, kind in kinds.items()}


def _units(attempt: Attempt, what: str) -> int:
    if what == "step":
        return sum(told.what == what for told in attempt.told)
    return max((told.value for told in attempt.told if told.what == what), default=0)


def _torn_jobs(jobs: Sequence[Job], attempts: Sequence[Attempt], torn: Sequence[str]) -> Counter[int]:
    """How many files of each job were torn."""
    of_folder: dict[str, int] = {job.name: number for number, job in enumerate(jobs)}
    for attempt in attempts:
        of_folder |= {told.value[:24]: attempt.job for told in attempt.told if told.what == "lineage"}
    found = Counter[int]()
    for path in torn:
        found.update({of_folder[part] for part in Path(path).parts if part in of_folder})
    return found


def encoded(attempts: Sequence[Attempt]) -> int:
    """How many pictures and captions were encoded, by all jobs together."""
    return sum(told.what == "encoded" for attempt in attempts for told in attempt.told)


def seconds_of(attempts: Sequence[Attempt]) -> dict[str, float]:
    """Seconds of all workers together: in jobs, waiting for locks, and looking for what killed ones have left."""
    spent: dict[str, float] = defaultdict(float)
    for attempt in attempts:
        spent["in jobs"] += attempt.seconds
        for told in attempt.told:
            if told.what in ("waited", "locked", "swept"):
                spent[told.what] += told.value
    return spent


def saved(output: Path) -> dict[str, Any]:
    """Every file that jobs have saved: of adapters the tensors, of all others the bytes."""
    files = [path for path in output.rglob("*") if path.is_file() and path.relative_to(output).parts[0] != "run-store"]
    return {
        path.relative_to(output).as_posix(): _content(path)
        for path in files
        if ".batch" not in path.parts and path.name != "index.html"
    }


def trained(output: Path) -> dict[str, Any]:
    """The adapters of all finished runs in the run store, and their losses."""
    runs = output / "run-store" / "runs"
    adapters = {path.relative_to(runs).as_posix(): _content(path) for path in runs.glob("*/*.safetensors")
                if path.stem.isdecimal()}  # fmt: skip
    records = {path.relative_to(runs).as_posix(): json.loads(path.read_text("utf-8"))["losses"]
               for path in runs.glob("*/*.json") if path.stem.isdecimal()}  # fmt: skip
    return adapters | records


def _content(path: Path) -> Any:
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}
    return path.read_bytes()


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names that only one has, or whose contents differ."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def figures(jobs: Sequence[Job], farm: Farm, order: Sequence[int]) -> dict[str, Any]:
    """What is known of a farm's run."""
    ends = Counter(attempt.end for attempt in farm.attempts)
    spent = seconds_of(farm.attempts)
    waits = [told.value for attempt in farm.attempts for told in attempt.told if told.what == "waited"]
    return {
        "jobs": len(jobs), "given out": len(order), "attempts": len(farm.attempts),
        **{f"attempts {end}": count for end, count in sorted(ends.items())},
        **farm.happened, "files torn": len(farm.torn), "seconds": farm.seconds,
        "jobs a minute": 60 * len(order) / farm.seconds,
        "waiting for locks, share of the workers' time": spent["waited"] / spent["in jobs"],
        "longest wait for a lock, seconds": max(waits, default=0.0),
        "releasing locks, share": spent["locked"] / spent["in jobs"],
        "looking for leftovers, share": spent["swept"] / spent["in jobs"],
        "encoded": encoded(farm.attempts),
        **work_of(jobs, farm.attempts, farm.torn),
    }  # fmt: skip

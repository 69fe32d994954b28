"""The runs in a run store: what they are called, how far they are, and what they have kept."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from ..adapters.headers import read_header
from ..core.errors import AdapterError, ConfigError
from ..core.locks import if_free
from ..core.words import first_of
from ..evaluation.sample_verdict import judged
from ..evaluation.verdict import Verdict
from ..training.recipe import Recipe
from .about import About, noted, noted_last
from .measuring import kept_course, kept_figures
from .record import read_record, state_record
from .store import RunStore

Progress = Literal["running", "finished", "stopped", "interrupted"]
"""``stopped``: on request, with its adapter; ``interrupted``: canceled, failed or killed."""
_NOTHING = About(name="", base="", family="", dataset="", pictures=0, steps=0, seed=0)
_SHOWN = 12
"""Characters of a run's lineage that people see."""


class Named(Protocol):
    """A run by what people call it."""

    @property
    def name(self) -> str: ...
    @property
    def lineage(self) -> str: ...
    @property
    def short(self) -> str: ...


NamedT = TypeVar("NamedT", bound=Named)


@dataclass(frozen=True, kw_only=True)
class ListedRun:
    """A run to a number of steps."""

    lineage: str
    """As its folder is called; runs that differ only in their steps share it."""
    name: str
    """Of what it trains; empty if that isn't known."""
    base: str
    """Name of the base model; empty if it isn't known."""
    family: str
    dataset: str
    done: int
    """Steps whose result is kept: of a run in progress, those of its latest training state."""
    steps: int
    progress: Progress
    snapshots: tuple[int, ...]
    """The steps after which it has kept a snapshot."""
    losses: tuple[float, float] | None
    """Means over the first and the last tenth of the steps, of a finished run."""
    ended_early: str
    """Why it has fewer steps than it was to have by its recipe's ``early_stop``; empty if it doesn't."""
    verdict: Verdict | None
    """On the snapshots that were measured or compared; ``None`` if none was."""
    latest: Path | None
    """The newest adapter of it: what it has finished, or a snapshot."""
    bytes: int
    """Of its own files."""
    used: float
    """When one of them was last read or written, in seconds since the epoch."""

    @property
    def short(self) -> str:
        """The begin of the lineage."""
        return self.lineage[:_SHOWN]


def listed_runs(store: RunStore, lineage: str = "") -> list[ListedRun]:
    """All runs, or those of a lineage, those that were used last first."""
    folders = [store.folder(lineage)] if lineage else (store.root / "runs").glob("*")
    runs = [run for folder in folders if folder.is_dir() for run in _runs_of(store, folder.name)]
    return sorted(runs, key=lambda run: (-run.used, run.lineage, run.steps))


def find_runs(store: RunStore, wanted: str) -> list[ListedRun]:
    """The runs of one lineage, by the begin of it or by their name.

    Raises:
        ConfigError: there is none, or there are several lineages.
    """
    hint = "`lora-workbench runs` lists them; --output or --root names another place."
    return of_one_lineage(listed_runs(store), wanted, where=f"in {store.root}", hint=hint)


def of_one_lineage(runs: Sequence[NamedT], wanted: str, *, where: str, hint: str) -> list[NamedT]:
    """Of some runs, those of one lineage, by the begin of it or by their name.

    Args:
        runs: all there are.
        wanted: the name, or the begin of the lineage.
        where: they are, for errors.
        hint: how a user sees which there are.

    Raises:
        ConfigError: there is none, or there are several lineages.
    """
    found = [run for run in runs if wanted in (run.name, run.lineage)]
    found = found or [run for run in runs if wanted and run.lineage.startswith(wanted)]
    lineages = {run.lineage: f"{run.short} ({run.name or 'without a name'})" for run in found or runs}
    there = first_of([*lineages.values()]) or "no run at all"
    if not found:
        raise ConfigError(
            f"There is no run {wanted!r} {where}.",
            expected=f"a run's name, or the begin of its number: {there}",
            hint=hint,
        )
    if len(lineages) > 1:
        raise ConfigError(
            f"{wanted!r} means {len(lineages)} runs: {there}.", expected="one run", hint="write more of its number."
        )
    return found


def _runs_of(store: RunStore, lineage: str) -> Iterator[ListedRun]:
    """The runs of a lineage, by their steps."""
    finished, kept = set(store.lengths(lineage)), [*store.snapshots(lineage)]
    states = {store.steps_of(path): path for path in store.states(lineage)}
    running = running_steps(store, lineage)
    lengths: set[int] = finished | states.keys() | {file.steps for file in kept} | ({running} - {0})
    for steps in sorted(lengths):
        own = [file for file in kept if file.steps == steps]
        record = read_record(store.record(lineage, steps)) if steps in finished else {}
        losses = [float(loss) for loss in record.get("losses", [])]
        latest = store.finished(lineage, steps) if steps in finished else own[-1].path if own else None
        files = [place(lineage, steps) for place in (store.finished, store.record, store.state, store.about)]
        stats = _stats([*files, *(file.path for file in own)])
        about = noted(store, lineage, steps) or _from_header(store.finished(lineage, steps))
        yield ListedRun(
            lineage=lineage,
            name=about.name,
            base=about.base,
            family=about.family,
            dataset=about.dataset,
            done=len(losses) or (steps if steps in finished else _done(states.get(steps), [file.step for file in own])),
            steps=steps,
            progress=_progress(about, is_running=steps == running, is_finished=steps in finished),
            snapshots=tuple(dict.fromkeys(file.step for file in own)),
            losses=_first_and_last(losses),
            ended_early=record.get("ended_early", ""),
            verdict=_verdict(store, lineage, latest, len(losses) or steps),
            latest=latest,
            bytes=sum(size for size, _ in stats),
            used=max((modified for _, modified in stats), default=0.0),
        )


def trained_of(store: RunStore, lineage: str, steps: int) -> dict[str, Any]:
    """The ``losses`` of each step whose result is kept, and their ``parts``: of a run that isn't finished, those up to
    its training state."""
    record = read_record(store.record(lineage, steps))
    return record if record.get("losses") else state_record(store.state(lineage, steps))


def running_steps(store: RunStore, lineage: str) -> int:
    """The steps of the run of a lineage that is in progress, the one that was begun last; 0 if none is."""
    with if_free(store.lock(lineage)) as free:
        if free:
            return 0
    return noted_last(store, lineage)


def _progress(about: About, *, is_running: bool, is_finished: bool) -> Progress:
    if is_running:
        return "running"
    if is_finished:
        return "finished"
    return "stopped" if about.stopped_at else "interrupted"


def _from_header(result: Path) -> About:
    """What the header of a finished run's file says, of runs from before there were notes."""
    with contextlib.suppress(AdapterError):
        told = read_header(result).metadata
        return replace(_NOTHING, name=told.get("modelspec.title", ""), family=told.get("lw.family", ""))
    return _NOTHING


def _done(state: Path | None, snapshots: list[int]) -> int:
    """The steps of a training state, or else of the last snapshot."""
    with contextlib.suppress(AdapterError, KeyError, ValueError):
        if state is not None:
            return int(read_header(state).metadata["step"])
    return max(snapshots, default=0)


def _first_and_last(losses: list[float]) -> tuple[float, float] | None:
    tenth = max(1, len(losses) // 10)
    return (sum(losses[:tenth]) / tenth, sum(losses[-tenth:]) / tenth) if losses else None


def _verdict(store: RunStore, lineage: str, latest: Path | None, steps: int) -> Verdict | None:
    recipe = recipe_of(latest)
    return judged(kept_figures(store, lineage, recipe), kept_course(store, lineage, steps)) if recipe else None


def recipe_of(adapter: Path | None) -> Recipe | None:
    """The recipe in the header of an adapter's file; ``None`` if it has none, or one of another version."""
    with contextlib.suppress(AdapterError, ConfigError, KeyError, ValueError):
        return Recipe.of(**json.loads(read_header(adapter).metadata["lw.recipe"])) if adapter else None
    return None


def _stats(files: list[Path]) -> list[tuple[int, float]]:
    """(size, when it was last written) of those that are there."""
    found = []
    for file in files:
        with contextlib.suppress(OSError):
            found.append(((stat := file.stat()).st_size, stat.st_mtime))
    return found

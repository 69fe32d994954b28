"""The snapshots of a run as a value, and those that the run store has."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from ..adapters.adapter import Adapter
from ..adapters.binding import bind
from ..adapters.files import load_adapter
from ..adapters.keeping import Kept, keep
from ..core.errors import AdapterError, ConfigError
from ..core.events import Event, Progress
from ..core.words import first_of
from ..data.dataset import Dataset
from ..evaluation.figures import Figures
from ..evaluation.sample_course import SampleCourse
from ..evaluation.sample_verdict import judged
from ..evaluation.verdict import Verdict
from ..training.snapshot_steps import kept_snapshots
from .key import Run
from .store import RunStore

_SHOWN = 20
"""Steps that an error names."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """An adapter as it was after a step, in a file."""

    name: str
    """Of the adapter."""
    step: int
    path: Path
    shapes: Mapping[str, tuple[int, ...]] = field(repr=False, compare=False)
    """Module key -> shape of its weight, of the base model."""

    def adapter(self) -> Adapter:
        """The adapter, bound to the base model.

        Raises:
            AdapterError: the file was removed or is damaged.
        """
        try:
            return replace(bind(load_adapter(self.path), self.shapes), name=self.name)
        except (AdapterError, OSError) as error:
            raise AdapterError(
                f"The snapshot {self.name} after step {self.step} can't be read: {error}",
                expected="the file that the training has left in the run store",
                hint="free ComfyUI's node cache and queue again: a snapshot that is missing is trained again.",
            ) from error


@dataclass(frozen=True, kw_only=True)
class Snapshots:
    """The adapter of a run after some of its steps, ascending; the last is the run's result."""

    name: str
    """Of the run's adapter."""
    lineage: str
    """Of the run."""
    steps: int
    """That the run has when it is finished; fewer than its recipe has if it ended early by ``early_stop``."""
    snapshots: tuple[Snapshot, ...]
    """At least one."""
    figures: tuple[Figures, ...] = ()
    """What was measured of them, by step, where the recipe asks for it."""
    training: Dataset | None = field(default=None, repr=False, compare=False)
    """The pictures that the run was trained on; ``None`` of a slider, which is trained on no subject."""
    held: Dataset | None = field(default=None, repr=False, compare=False)
    """The pictures that were held out, if there are any."""
    course: SampleCourse | None = None
    """What pictures tell that some of them drew, where they were compared."""

    def __len__(self) -> int:
        return len(self.snapshots)

    def __iter__(self) -> Iterator[Snapshot]:
        return iter(self.snapshots)

    @property
    def last(self) -> Snapshot:
        """The finished adapter, or where the run was stopped, the adapter as it was then."""
        return self.snapshots[-1]

    @property
    def stopped(self) -> bool:
        """Whether the run was stopped before its end."""
        return self.last.step < self.steps

    @cached_property
    def verdict(self) -> Verdict | None:
        """Which one to use; ``None`` if nothing was measured."""
        return judged(self.figures, self.course)

    def at(self, step: int) -> Snapshot:
        """The snapshot nearest to a step; of two, the earlier one.

        Raises:
            ConfigError: the run has no such step.
        """
        if not 1 <= step <= self.last.step:
            raise self._no(f"step {step}")
        return min(self.snapshots, key=lambda snapshot: abs(snapshot.step - step))

    @property
    def by_step(self) -> dict[int, Snapshot]:
        """Step -> snapshot, ascending."""
        return {snapshot.step: snapshot for snapshot in self.snapshots}

    def exactly(self, steps: tuple[int, ...]) -> tuple[Snapshot, ...]:
        """The snapshots after these steps, ascending.

        Raises:
            ConfigError: there is none after one of them.
        """
        known = self.by_step
        if lost := [str(step) for step in steps if step not in known]:
            raise self._no(f"snapshot after step {first_of(lost)}")
        return tuple(known[step] for step in sorted(set(steps)))

    def in_words(self) -> str:
        """``fox: snapshots after step 100, 200, 300 of 300``."""
        return f"{self.name}: {self._steps} of {self.steps}"

    @property
    def _steps(self) -> str:
        steps = [str(snapshot.step) for snapshot in self.snapshots]
        return f"snapshots after step {first_of(steps, _SHOWN)}"

    def _no(self, what: str) -> ConfigError:
        stopped = f", which was stopped after {self.last.step} of {self.steps} steps" if self.stopped else ""
        return ConfigError(
            f"There is no {what} of {self.name}{stopped}.",
            expected=self._steps,
            hint="choose one of these; snapshot_every of the recipe gives more.",
        )


def snapshots_of(
    store: RunStore, run: Run, name: str, done: int, figures: tuple[Figures, ...] = (), *, stopped: bool = False
) -> Snapshots:
    """The snapshots that the recipe of a run asks for and those that somebody asked for while it went on, as far as the
    run store has them, and its result.

    Args:
        store: where they are.
        run: that was trained.
        name: of its adapter.
        done: its steps; fewer than the recipe's if it was stopped, or ended early.
        figures: what was measured of them.
        stopped: whether it was stopped on request, so that its result is a snapshot too.
    """
    steps = run.recipe.schedule.steps
    result = store.snapshot(run.lineage, done, steps) if stopped else store.finished(run.lineage, steps)
    asked = {file.step for file in store.snapshots(run.lineage) if file.asked}
    wanted = sorted(step for step in asked.union(kept_snapshots(run.recipe, run.dataset, done)) if step < done)
    found, shapes = _stored(store, run), run.base.module_shapes()
    files = [(f"{name}-{step:06d}", step, found[step]) for step in wanted if step in found]
    return Snapshots(
        name=name,
        lineage=run.lineage,
        steps=steps if stopped else done,
        snapshots=tuple(
            Snapshot(name=adapter, step=step, path=path, shapes=shapes)
            for adapter, step, path in [*files, (name, done, result)]
        ),
        figures=figures,
        training=None if run.slider else run.dataset,
        held=run.held,
    )


def save_snapshots(
    snapshots: Iterable[Snapshot], place: Path, *, dtype: Literal["float16", "float32"], without_data: bool
) -> Generator[Event, None, list[Kept]]:
    """Save snapshots as ``place-<step>.safetensors``, each as :func:`~..adapters.keeping.keep` does.

    Raises:
        AdapterError: a snapshot can't be read, or ``dtype`` can't hold its values.
        StorageError: the disk is full, or the folder can't be written.
    """
    files, chosen = [], list(snapshots)
    for done, snapshot in enumerate(chosen, 1):
        file = place.with_name(f"{place.name}-{snapshot.step:06d}")
        files.append(keep(snapshot.adapter(), file, dtype=dtype, without_data=without_data))
        yield Progress(done=done, total=len(chosen), label="saving snapshots")
    return files


def first_missing(store: RunStore, run: Run, last: int) -> int | None:
    """The first step before ``last``, where the run ends, whose snapshot its recipe asks for, and the run store doesn't
    have whole."""
    wanted = [step for step in kept_snapshots(run.recipe, run.dataset, last) if step < last]
    found = _stored(store, run) if wanted else {}
    return next((step for step in wanted if step not in found), None)


def drop_older(store: RunStore, run: Run, done: int) -> None:
    """Remove the snapshots of a run that its recipe doesn't keep any more; those that somebody asked for stay.

    Args:
        store: where they are.
        run: in progress.
        done: its steps, after the last of which there is a snapshot.
    """
    if not run.recipe.saving.keep_snapshots:
        return
    kept = kept_snapshots(run.recipe, run.dataset, done)
    for file in store.snapshots(run.lineage):
        if file.steps == run.recipe.schedule.steps and file.step < kept[0] and not file.asked:
            file.path.unlink(missing_ok=True)


def _stored(store: RunStore, run: Run) -> dict[int, Path]:
    """Step -> file of each whole snapshot of a run, also those of runs with another length that began alike: their
    snapshots, and what they have finished, unless they may have ended early."""
    files = [(file.step, file.steps, file.path) for file in store.snapshots(run.lineage)]
    if not run.recipe.measuring.early_stop:
        files += [(steps, steps, store.finished(run.lineage, steps)) for steps in store.lengths(run.lineage)]
    own = run.recipe.schedule.steps
    return {
        step: path
        for step, steps, path in files
        if step < own and (steps == own or run.recipe.starts_alike(steps, step)) and _is_whole(path)
    }


def _is_whole(path: Path) -> bool:
    """Whether a file has all the bytes that its header promises."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            return True
    except (SafetensorError, OSError):
        return False

"""TensorBoard events of a run: in its folder of the run store, where its recipe asks for them, or in any other folder
afterwards."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..core.events import Event
from ..training.state import TrainingState
from .event_files import History, write_events, writing_events
from .key import Run
from .listing import ListedRun, recipe_of
from .measuring import kept_figures
from .record import read_record, state_record
from .sample_files import kept_samples
from .store import RunStore


def recorded(
    events: Generator[Event, None, None], run: Run, store: RunStore, start: TrainingState | None
) -> Generator[Event, None, None]:
    """The same events of a run that begins, or goes on at a state, as they are written."""
    if not run.recipe.saving.tensorboard:
        yield from events
        return
    history = _history(run, store, start.losses if start else [], start.parts if start else {})
    yield from writing_events(events, _folder(run, store), _rates(run), history)


def record(run: Run, store: RunStore, losses: Sequence[float], parts: Mapping[str, Sequence[float]]) -> None:
    """Write the events of a run that was trained before, unless they are there."""
    if run.recipe.saving.tensorboard and not any(_folder(run, store).glob("*")):
        write_events(_folder(run, store), _rates(run), _history(run, store, losses, parts).up_to(len(losses)))


def export_events(run: ListedRun, store: RunStore, folder: Path) -> None:
    """Write the events of a run to a folder of its own, whether or not its recipe asks for them.

    Args:
        run: of the store; of one in progress, the steps up to its latest training state.
        store: the run store.
        folder: whose events are replaced.

    Raises:
        ConfigError: TensorBoard's library isn't installed.
        StorageError: the folder can't be written.
    """
    lineage, steps, recipe = run.lineage, run.steps, recipe_of(run.latest)
    known: Mapping[str, Any] = read_record(store.record(lineage, steps)) or state_record(store.state(lineage, steps))
    history = History(
        losses=known.get("losses", ()),
        parts=known.get("parts", {}),
        figures=kept_figures(store, lineage, recipe) if recipe else (),
        samples=kept_samples(store, lineage, recipe) if recipe else (),
    )
    write_events(folder, recipe.learning_rates(steps) if recipe else (), history)


def _history(run: Run, store: RunStore, losses: Sequence[float], parts: Mapping[str, Sequence[float]]) -> History:
    return History(
        losses=losses,
        parts=parts,
        figures=kept_figures(store, run.lineage, run.recipe),
        samples=kept_samples(store, run.lineage, run.recipe),
    )


def _folder(run: Run, store: RunStore) -> Path:
    return store.events(run.lineage, run.recipe.schedule.steps)


def _rates(run: Run) -> list[float]:
    return run.recipe.learning_rates(run.recipe.schedule.steps)

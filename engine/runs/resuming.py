"""Where a run goes on: from the training states that runs of its lineage have left."""

from __future__ import annotations

from pathlib import Path

from ..core.errors import TrainingError
from ..training.state import TrainingState
from .key import Run
from .store import RunStore


def newest_state(store: RunStore, run: Run, missing: int | None = None) -> tuple[TrainingState | None, str]:
    """The most advanced training state that leads to what the run gives without it, and why none further is taken.

    Args:
        store: where they are.
        run: to go on with.
        missing: a step whose snapshot or measures have to be made again, which is possible from a state after that step
            or an earlier one; by default there is none.

    With a decaying schedule, a run to another number of steps had other learning rates, so its states lead elsewhere.
    States that can't be read are skipped: resuming from an older one, or training from the start, is still correct.
    """
    best, passed, recipe = None, 0, run.recipe
    skipped = recipe.schedule.steps if store.record(run.lineage, recipe.schedule.steps).exists() else 0
    for path in store.states(run.lineage):
        if (state := _readable(path)) is None or state.step > recipe.schedule.steps:
            continue
        if missing is not None and state.step > missing:
            skipped = max(skipped, state.step)
        elif not recipe.starts_alike(store.steps_of(path), state.step):
            passed = max(passed, state.step)
        elif best is None or state.step > best.step:
            best = state
    begin = best.step if best else 0
    if missing is not None and skipped > begin:
        return best, _for_snapshots(missing, skipped, begin)
    return best, _why_not(run, passed, begin) if passed > begin else ""


def _readable(path: Path) -> TrainingState | None:
    try:
        return TrainingState.load(path)
    except TrainingError:
        return None


def _for_snapshots(missing: int, done: int, begin: int) -> str:
    return (
        f"{done} steps were trained before, but the run store doesn't have the snapshot after step {missing} that the "
        "recipe asks for, or what was measured of it: it was removed or damaged, or wasn't asked for then. Training "
        f"{_from(begin)}, to the same result; without snapshots and measures it goes on from what there is."
    )


def _from(begin: int) -> str:
    return f"goes on at step {begin}" if begin else "begins anew"


def _why_not(run: Run, passed: int, begin: int) -> str:
    schedule = run.recipe.schedule
    return (
        f"The {passed} steps of an earlier run with another length aren't continued: its learning rate had come down "
        f"otherwise ({schedule.schedule}), and this isn't what {schedule.steps} steps at once give. "
        f"Training {_from(begin)}; with a constant schedule, raising steps "
        "continues a run."
    )

"""Where a run ends by its recipe's ``early_stop``, as far as the figures in the run store tell."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.ranks import Ranks
from ..core.words import counted
from ..evaluation.early_stop import EarlyEnd, early_end, fewest_snapshots
from ..evaluation.planning import measured_steps
from ..training.snapshot_steps import due_snapshots
from .key import Run
from .measuring import measures_of
from .store import RunStore


def end_of(run: Run, store: RunStore) -> EarlyEnd | None:
    """Where a run ends before its last step; ``None`` if it doesn't, or if too little has been measured of it yet.

    The figures of its snapshots decide this alone, those before a gap: so it ends at the same step whenever, and
    however often, it was interrupted.
    """
    measures, patience = measures_of(run, Ranks()), run.recipe.measuring.early_stop
    if measures is None or not patience:
        return None
    known = {figures.step: figures for figures in measures.known(store)}
    measured = []
    for step in measured_steps(run.recipe, run.dataset)[:-1]:
        if step not in known:
            break
        measured.append(known[step])
    return early_end(measured, patience)


def early_stop_notes(run: Run) -> Iterator[str]:
    """Where ``early_stop`` can do nothing, or other settings spoil it, and what to change."""
    patience, schedule = run.recipe.measuring.early_stop, run.recipe.schedule.schedule
    if not patience:
        return
    there, needed = len(due_snapshots(run.recipe, run.dataset)), fewest_snapshots(patience)
    if there < needed:
        yield (
            f"early_stop = {patience} has no effect: it compares {counted(needed, 'snapshot')} before the last step, "
            f"and there {'is' if there == 1 else 'are'} {there}. Take more snapshots."
        )
        return
    if schedule != "constant":
        yield (
            f"early_stop = {patience} with the schedule {schedule}: its last steps, where the learning rate has come "
            "down, teach much, and an early stop leaves them out. It is for a constant one."
        )
    if 0 < (kept := run.recipe.saving.keep_snapshots) <= patience:
        yield (
            f"keep_snapshots = {kept} with early_stop = {patience}: the snapshot to use is {patience} before the last "
            f"one, and won't be kept. Keep {patience + 1} or more, or all (0)."
        )

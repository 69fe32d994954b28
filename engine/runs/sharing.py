"""What several processes share of a run beside its steps: encoding, and the state to go on from."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from dataclasses import replace
from pathlib import Path

from ..core.events import Event
from ..core.ranks import Ranks
from ..data.dataset import Dataset
from ..training.state import TrainingState
from .key import Run


def nothing() -> Generator[Event, None, None]:
    """The part of a process that only waits for the others."""
    yield from ()


def share_of(run: Run, ranks: Ranks) -> Run:
    """The run with one record in ``ranks.count``, for encoding them into the run store that all read from."""

    def share(dataset: Dataset) -> Dataset:
        return replace(dataset, records=dataset.records[ranks.rank :: ranks.count])

    return replace(run, dataset=share(run.dataset), regularization=run.regularization and share(run.regularization))


def shared_state(ranks: Ranks, state: TrainingState | None) -> TrainingState | None:
    """The training state that rank 0 has, in all processes, whose machines need no folder in common."""
    if ranks.count == 1:
        return state
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "state.safetensors")
        if state is not None:
            state.save(path)
        data = ranks.shared(path.read_bytes() if state is not None else b"")
        if not data or ranks.leads:
            return state
        path.write_bytes(data)
        return TrainingState.load(path)


def process_notes(run: Run, ranks: Ranks) -> Iterator[str]:
    """Where ``devices`` counts for nothing, or processes have less to do than others, and what to change."""
    batches, devices, count = run.recipe.batches.gradient_accumulation, run.recipe.memory.devices, ranks.count
    if run.slider and devices != 1:
        yield f"devices = {devices} has no effect: sliders are trained by one process."
    if count > 1 and devices not in (0, 1, count):
        yield f"devices = {devices} has no effect: {count} processes were started."
    if batches % count:
        when = "" if batches < count else " in the last part of each step"
        yield (
            f"{-batches % count} of {count} processes have nothing to do{when}: a step has gradient_accumulation = "
            f"{batches} micro-batches. Set it to {count} or a multiple of that, with a smaller batch_size if the "
            "batches of all together shall stay as large."
        )

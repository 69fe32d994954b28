"""The work of nodes that takes long, and what is told of its results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...engine.core.words import counted, duration
from ..host.work import Outcome, Work

if TYPE_CHECKING:
    from ...engine.batches.drawn import DrawnBatch
    from ...engine.evaluation.board import Board
    from ...engine.runs.running import Finished
    from ...engine.runs.train import TrainedAdapter


def training(name: str) -> Work[Finished]:
    """A training; one that was done before isn't told."""
    return Work("training", name, _of_run)


def training_of_adapter(name: str) -> Work[TrainedAdapter]:
    """As :func:`training`, with the verdict on its snapshots."""

    def result(trained: TrainedAdapter) -> tuple[Outcome, str] | None:
        told, verdict = _of_run(trained), trained.snapshots.verdict
        return told and (told[0], f"{told[1]}; {verdict.in_short()}" if verdict else told[1])

    return Work("training", name, result)


def batch(name: str) -> Work[DrawnBatch]:
    """The pictures of a batch; one that was there already isn't told."""

    def result(drawn: DrawnBatch) -> tuple[Outcome, str] | None:
        told = f"{counted(len(drawn), 'picture')}, of which {drawn.drawn} were drawn now"
        return ("finished", told) if drawn.drawn else None

    return Work("batch", name, result)


def board(name: str) -> Work[Board]:
    """The places of a data set's pictures."""
    return Work("board", name, lambda made: ("finished", made.summary()))


def _of_run(trained: Finished) -> tuple[Outcome, str] | None:
    if trained.cached:
        return None
    steps = len(trained.losses)
    done = f"step {steps} of {trained.steps}" if trained.stopped else counted(steps, "step")
    told = f"{done} in {duration(trained.seconds)}"
    if trained.ended_early:
        told = f"{told}; {trained.ended_early}"
    return ("stopped" if trained.stopped else "finished"), told

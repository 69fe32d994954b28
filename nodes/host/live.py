"""The trainings of this process as they go on, for pages that look at them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ...engine.core.events import (
    Event,
    MemoryTaken,
    RunOpened,
    SamplesGenerated,
    SnapshotMeasured,
    SnapshotSaved,
    StateSaved,
    StepDone,
)
from ...engine.runs.following import run_name
from .progress import Meter

EVERY = 0.25
"""Seconds between two reports of steps."""
_KEPT: dict[type[Event], str] = {
    SamplesGenerated: "samples",
    SnapshotSaved: "snapshot",
    SnapshotMeasured: "figures",
    StateSaved: "state",
}
"""What the run store has anew after an event."""
_MOST_KEPT = 16
_LIVE: OrderedDict[str, LiveRun] = OrderedDict()


@dataclass
class LiveRun:
    """A training of this process. Its losses are kept until others take its place, as the run store has those of a run
    in progress only up to its latest training state."""

    run: str
    """As pages call it."""
    steps: int
    first: int
    """The first step that it has trained here, from 1."""
    losses: list[float] = field(default_factory=list)
    prior: list[float] = field(default_factory=list)
    """What regularization pictures have of the losses; empty without any."""
    learning_rate: float = 0.0
    rate: float = 0.0
    """Steps per second."""
    memory: MemoryTaken | None = None

    def add(self, step: StepDone, rate: float) -> None:
        """A step more, and the rate by now."""
        self.losses.append(step.loss)
        if "prior" in step.parts:
            self.prior.append(step.parts["prior"])
        self.learning_rate, self.rate = step.learning_rate, rate

    def since(self, begin: int) -> dict[str, Any]:
        """All but so many steps, as JSON values."""
        prior = {"prior": self.prior[begin:]} if self.prior else {}
        return {"first": self.first + begin, "losses": self.losses[begin:], **prior, **self.now()}

    def after(self, known: dict[str, Any]) -> dict[str, Any]:
        """The losses of the whole run, as JSON values, given those that the run store has."""
        before = self.first - 1
        missing = [None] * (before - len(known["prior"]))
        prior = [*known["prior"][:before], *missing, *self.prior] if self.prior else known["prior"]
        return {"losses": known["losses"][:before] + self.losses, "prior": prior}

    def now(self) -> dict[str, Any]:
        """What holds for the moment, as JSON values."""
        memory = {"memory": {"taken": self.memory.bytes, "planned": self.memory.planned}} if self.memory else {}
        return {"learning_rate": self.learning_rate, "rate": self.rate, **memory}


def live_run(run: str) -> LiveRun | None:
    """A training of this process, by what pages call it."""
    return _LIVE.get(run)


class LiveReporter:
    """Turns one loop's events into what pages are told of a training.

    Args:
        send: takes a part of a report: ``run`` and ``steps``, and ``losses`` from the step ``first`` on, or what is
            ``kept`` where the run store has something new.
        clock: monotonic seconds.
    """

    def __init__(self, send: Callable[[dict[str, Any]], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._send, self._clock = send, clock
        self._meter = Meter(clock)
        self._live: LiveRun | None = None
        self._told = 0
        self._last = float("-inf")

    def __call__(self, event: Event) -> None:
        if isinstance(event, RunOpened):
            self._open(event)
        elif self._live is None:
            return
        elif isinstance(event, StepDone):
            self._add(self._live, event)
        elif isinstance(event, MemoryTaken):
            self._live.memory = event
        elif kept := _KEPT.get(type(event)):
            self._tell(self._live, kept=kept)

    def _open(self, event: RunOpened) -> None:
        run = run_name(event.lineage, event.steps)
        self._live, self._told = LiveRun(run, event.steps, event.done + 1), 0
        _LIVE[run] = self._live
        _LIVE.move_to_end(run)
        while len(_LIVE) > _MOST_KEPT:
            _LIVE.popitem(last=False)
        self._tell(self._live, opened=True)

    def _add(self, live: LiveRun, event: StepDone) -> None:
        reading = self._meter.read(event)
        live.add(event, reading.rate if reading else 0.0)
        if self._clock() - self._last >= EVERY or event.step >= event.steps:
            self._tell(live)

    def _tell(self, live: LiveRun, **more: Any) -> None:
        part = live.since(self._told)
        self._told, self._last = len(live.losses), self._clock()
        self._send({"run": live.run, "steps": live.steps, **part, **more})

"""What the tests of an agent's jobs in a real ComfyUI share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lora_workbench.agents.backend import Ended, TrainRequest
from lora_workbench.engine.core.events import Event, StepDone

FEW_STEPS: Mapping[str, Any] = {
    "steps": 4, "batch_size": 2, "warmup_steps": 1, "measures": False, "held_out": 0.0, "snapshot_every": 0,
}  # fmt: skip
"""Settings of a training that takes seconds."""


class _HandedOn(Ended):
    goes_on = True


Asks = Callable[["Watcher"], bool]


class Watcher:
    """A :class:`~lora_workbench.agents.backend.Watch` in memory.

    Args:
        folder: of the job; created.
        ends: ends the job once it is true of what was told.
        stops: asks a training to stop, likewise.
        goes_on: whether another process goes on with it then.
    """

    def __init__(
        self, folder: Path, ends: Asks | None = None, stops: Asks | None = None, *, goes_on: bool = False
    ) -> None:
        self.folder, self._ends, self._stops = folder, ends, stops
        self._goes_on = goes_on
        self.told: list[Event] = []
        self.remembered: dict[str, Any] = {}
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def number(self) -> str:
        """Of the only graph that was queued, or the first."""
        return next(iter(self.remembered.values()))["number"]

    @property
    def steps(self) -> list[StepDone]:
        return [event for event in self.told if isinstance(event, StepDone)]

    def show(self, event: Event) -> None:
        self.told.append(event)
        if self._ends and self._ends(self):
            raise _HandedOn if self._goes_on else Ended

    def stop_wanted(self) -> bool:
        return bool(self._stops and self._stops(self))

    def remember(self, **facts: Any) -> None:
        self.remembered |= facts


def foxes(root: Path, name: str = "fox", seed: int = 1, **settings: Any) -> TrainRequest:
    """A request for a short training on the demo's subject."""
    return TrainRequest(
        folder=str(root / "assets" / "datasets" / "fox"), name=name, trigger="zwx", class_word="animal", seed=seed,
        settings={**FEW_STEPS, **settings},
    )  # fmt: skip

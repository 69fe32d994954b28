"""Running the engine's generators of events, to their end or to a moment on the way."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from lora_workbench.engine.core.events import Event, StateSaved, StepDone


def finish(events: Generator[Event, None, Any]) -> tuple[Any, list[Any]]:
    """(the generator's result, the events that it yielded)."""
    seen = []
    while True:
        try:
            seen.append(next(events))
        except StopIteration as stop:
            return stop.value, seen


def result(events: Generator[Event, None, Any]) -> Any:
    """The generator's result alone."""
    return finish(events)[0]


def killed_at(events: Generator[Event, None, Any], is_there: Callable[[Any], bool], folder: Path, copy: Path) -> Any:
    """The generator's result; ``copy`` gets what a process that is killed at that event leaves in ``folder``."""
    while not is_there(next(events)):
        pass
    shutil.copytree(folder, copy)
    return result(events)


def closed_at(events: Generator[Event, None, Any], is_there: Callable[[Any], bool]) -> None:
    """Close the generator at the first event of which ``is_there`` is true.

    Raises:
        StopIteration: there is no such event.
    """
    while not is_there(next(events)):
        pass
    events.close()


def step_done(step: int) -> Callable[[Any], bool]:
    """Whether an event says that this step is done, for :func:`closed_at`."""
    return lambda event: isinstance(event, StepDone) and event.step == step


def state_saved(step: int) -> Callable[[Any], bool]:
    """Whether an event says that the state after this step is saved."""
    return lambda event: isinstance(event, StateSaved) and event.step == step

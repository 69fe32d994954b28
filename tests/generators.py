"""Running the engine's generators of events to their end."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from lora_workbench.engine.core.events import Event


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

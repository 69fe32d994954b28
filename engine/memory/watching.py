"""The memory that a training takes as it goes on, beside what its plan says."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING

from ..core.events import (
    Event,
    MemoryTaken,
    SamplesGenerated,
    SnapshotMeasured,
    SnapshotSaved,
    StateSaved,
    StepDone,
)
from .peak import TakenMemory

if TYPE_CHECKING:
    import torch

_BETWEEN_STEPS = (SamplesGenerated, SnapshotMeasured, SnapshotSaved, StateSaved)
EVERY_SECONDS = 1.0
"""Between two looks."""


class MemoryWatch:
    """Looks at the most memory that steps take beyond what there was when it was made.

    What is taken between steps, to draw samples and to save and measure snapshots, counts for nothing.

    Args:
        device: of the base model.
        planned: the bytes that the plan says, which may change on the way; ``None`` where they weren't counted.
        clock: monotonic seconds.
    """

    def __init__(
        self, device: torch.device, planned: Callable[[], int | None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._taken, self._planned, self._clock = TakenMemory(device), planned, clock
        self._last = float("-inf")
        self._most = 0

    def told(self, events: Iterable[Event]) -> Generator[Event, None, None]:
        """The same events of a training, and before some of its steps, what it takes, where the device tells it."""
        for event in events:
            if isinstance(event, StepDone):
                yield from self._look()
            yield event
            if isinstance(event, _BETWEEN_STEPS):
                self._taken.forget_peak()

    def _look(self) -> Generator[Event, None, None]:
        if self._clock() - self._last < EVERY_SECONDS:
            return
        self._last, taken = self._clock(), self._taken.peak()
        if taken is not None:
            self._most = max(self._most, taken)
            yield MemoryTaken(bytes=self._most, planned=self._planned())

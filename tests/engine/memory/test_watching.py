"""The memory that is told of a training as it goes on."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch
from lora_workbench.engine.core.events import Event, MemoryTaken, SamplesGenerated, StepDone
from lora_workbench.engine.memory.peak import peak_memory
from lora_workbench.engine.memory.watching import EVERY_SECONDS, MemoryWatch

CPU = torch.device("cpu")
MB = 2**20


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def step(number: int) -> StepDone:
    return StepDone(step=number, steps=9, loss=0.5, learning_rate=0.1, seconds=1)


def taking(size: int, event: Event, clock: Clock) -> Event:
    """An event after so many bytes were in use for a moment, and a second has passed."""
    torch.ones(size, dtype=torch.uint8)
    clock.now += EVERY_SECONDS
    return event


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="only Linux tells it")
def test_it_is_the_most_of_all_steps_without_what_is_drawn_between_them() -> None:
    clock, plans = Clock(), iter([900, 900, 900, None])
    watch = MemoryWatch(CPU, lambda: next(plans), clock)

    def training() -> Iterator[Event]:
        yield taking(100 * MB, step(1), clock)
        yield taking(600 * MB, SamplesGenerated(step=1, images=[], prompts=[]), clock)
        yield taking(200 * MB, step(2), clock)
        yield taking(100 * MB, step(3), clock)
        yield step(4)  # within the same second
        yield taking(100 * MB, step(5), clock)

    seen = list(watch.told(training()))
    assert [type(event) for event in seen] == [
        MemoryTaken, StepDone, SamplesGenerated, MemoryTaken, StepDone, MemoryTaken, StepDone, StepDone, MemoryTaken,
        StepDone,
    ]  # fmt: skip
    taken = [event for event in seen if isinstance(event, MemoryTaken)]
    assert [event.bytes // MB for event in taken] == pytest.approx([100, 200, 200, 200], abs=20)
    assert [event.planned for event in taken] == [900, 900, 900, None]


def test_where_the_device_tells_nothing_the_events_stay_as_they_are() -> None:
    events = [step(1), step(2)]
    assert list(MemoryWatch(torch.device("meta"), lambda: 1).told(events)) == events


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="only Linux tells it")
def test_a_measure_around_it_keeps_what_it_forgets() -> None:
    clock = Clock()

    def training() -> Iterator[Event]:
        yield taking(300 * MB, step(1), clock)
        yield taking(10 * MB, SamplesGenerated(step=1, images=[], prompts=[]), clock)
        yield taking(100 * MB, step(2), clock)

    with peak_memory(CPU) as peak:
        list(MemoryWatch(CPU, lambda: None, clock).told(training()))
    assert peak.size is not None and peak.size // MB == pytest.approx(300, abs=20)

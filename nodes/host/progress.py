"""Progress as text and bars: how far, how fast, how much longer."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from textwrap import indent
from typing import TextIO

from ...engine.core.events import Event, Message, Progress, SamplesGenerated, SnapshotMeasured, SnapshotSaved, StepDone
from ...engine.core.words import duration, printable

Clock = Callable[[], float]


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The progress of a piece of work."""

    label: str
    done: int
    total: int
    rate: float = 0.0
    """Units per second; 0 if not known yet."""
    unit: str = ""
    loss: float | None = None
    """Smoothed, for training steps."""

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return min(1.0, self.done / self.total) if self.total else 1.0

    def text(self) -> str:
        """For example ``training 120/200, 6.2 steps/s, loss 0.0812, 13 s left``."""
        parts = [f"{self.label} {self.done}/{self.total}"]
        if self.rate:
            if self.rate < 1:
                parts.append(f"{1 / self.rate:.1f} s {f'per {self.unit}' if self.unit else 'each'}")
            else:
                parts.append(f"{self.rate:.1f}{f' {self.unit}s' if self.unit else ''}/s")
        if self.loss is not None:
            parts.append(f"loss {self.loss:.4f}")
        if self.rate and self.done < self.total:
            parts.append(f"{duration((self.total - self.done) / self.rate)} left")
        return ", ".join(parts)


class Meter:
    """Turns one loop's events into readings, smoothed."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._counted = ("", 0, 0)
        self._started = (0.0, 0)
        self._step_seconds = 0.0
        self._loss: float | None = None

    def read(self, event: Event) -> Reading | None:
        """The reading after an event, or ``None`` for events without progress."""
        if isinstance(event, StepDone):
            return self._read_step(event)
        if isinstance(event, Progress):
            return self._read_progress(event)
        return None

    def _read_step(self, event: StepDone) -> Reading:
        if self._loss is None:
            self._loss, self._step_seconds = event.loss, event.seconds
        self._loss += 0.1 * (event.loss - self._loss)
        self._step_seconds += 0.1 * (event.seconds - self._step_seconds)
        rate = 1 / self._step_seconds if self._step_seconds > 0 else 0.0
        return Reading(label="training", done=event.step, total=event.steps, rate=rate, unit="step", loss=self._loss)

    def _read_progress(self, event: Progress) -> Reading:
        now = self._clock()
        label, total, done_before = self._counted
        if (event.label, event.total) != (label, total) or event.done < done_before:
            self._started = (now, event.done)
        self._counted = (event.label, event.total, event.done)
        seconds, done = now - self._started[0], event.done - self._started[1]
        rate = done / seconds if seconds > 0 else 0.0
        return Reading(label=event.label, done=event.done, total=event.total, rate=rate)


class TerminalProgress:
    """Progress on a text stream: a bar on a terminal, plain lines at intervals elsewhere.

    Args:
        stream: by default standard error.
        clock: monotonic seconds.
        every: seconds between plain lines.
    """

    WIDTH = 24

    def __init__(self, stream: TextIO | None = None, clock: Clock = time.monotonic, every: float = 5.0) -> None:
        self._stream = stream or sys.stderr
        self._clock = clock
        self._terminal = self._stream.isatty()
        self._every = 0.1 if self._terminal else every
        self._meter = Meter(clock)
        self._last = (float("-inf"), "")
        self._bar_shown = False

    def begin(self, title: str) -> None:
        """Start a new node or piece of work."""
        self._meter = Meter(self._clock)
        self._last = (float("-inf"), "")
        self.line(title)

    def show(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Message):
            self.line(indent(event.text, "  "))
        elif isinstance(event, SamplesGenerated):
            self.line(f"  {len(event.images)} sample{'s' * (len(event.images) != 1)} generated at step {event.step}")
        elif isinstance(event, SnapshotSaved):
            self.line(f"  snapshot saved at step {event.step}")
        elif isinstance(event, SnapshotMeasured):
            self.line(f"  measured at step {event.step}: {event.figures.in_words()}")
        elif (reading := self._meter.read(event)) is not None:
            self._show_reading(reading)

    def line(self, text: str) -> None:
        """Print a line, above the bar."""
        self.clear()
        print(printable(text), file=self._stream, flush=True)

    def clear(self) -> None:
        """Remove the bar."""
        if self._bar_shown:
            print("\r\x1b[2K", end="", file=self._stream, flush=True)
            self._bar_shown = False

    def _show_reading(self, reading: Reading) -> None:
        now = self._clock()
        finished = reading.done >= reading.total
        if not finished and reading.label == self._last[1] and now - self._last[0] < self._every:
            return
        self._last = (now, reading.label)
        if finished or not self._terminal:
            self.line(f"  {reading.text()}")
            return
        full = round(self.WIDTH * reading.share)
        bar = "#" * full + "." * (self.WIDTH - full)
        label = printable(reading.text()).replace("\n", " ")
        line = f"  [{bar}] {label}"[: shutil.get_terminal_size().columns - 1]
        print(f"\r\x1b[2K{line}", end="", file=self._stream, flush=True)
        self._bar_shown = True

"""A worker of the farm: a process that does one job after the other by the command line, and tells what it computes.

It is forked from a process that has imported everything, so that fifty of them start in a second.
"""

from __future__ import annotations

import contextlib
import io
import os
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ENCODING = ("encoding pictures", "encoding captions")


@dataclass(frozen=True)
class Told:
    """What a worker tells of the job in hand, as it happens."""

    what: str
    """``step``, ``saved``, ``drawn``, ``encoded``, ``lineage``, ``waited``, ``locked``, ``swept`` or ``ended``."""
    value: Any = None


def work(jobs: list[tuple[str, ...]], output: Path, pipe: Connection, nice: int) -> None:
    """Do the jobs whose numbers come through the pipe, until ``None`` does; runs in a process of its own."""
    from lora_workbench.cli.main import main

    os.nice(nice)
    tell = _observed(pipe)
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while (number := pipe.recv()) is not None:
            said, complained = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(complained):
                began, status = time.process_time(), main([*jobs[number], "--output", str(output), "--json"])
            wrong = said.getvalue() + complained.getvalue() if status else ""
            tell("ended", (status, time.process_time() - began, wrong[-2000:]))


def _observed(pipe: Connection) -> Callable[[str, Any], None]:
    """Have the house's own events, and the time that it spends in locks and in tidying up, told to the scheduler."""
    from lora_workbench.engine.core.locks import Exclusive
    from lora_workbench.nodes.host.headless import HeadlessHost

    def tell(what: str, value: Any = None) -> None:
        pipe.send(Told(what, value))

    def reporter(_: HeadlessHost) -> Callable[[Any], None]:
        return lambda event: _tell_of(event, tell)

    acquire, release, tidy_up = Exclusive.acquire, Exclusive.release, HeadlessHost.tidy_up

    def acquired(lock: Exclusive, *about: str) -> Generator[Any, None, None]:
        with _timed("waited", tell):
            yield from acquire(lock, *about)

    def released(lock: Exclusive) -> None:
        with _timed("locked", tell):
            release(lock)

    def tidied(host: HeadlessHost) -> None:
        with _timed("swept", tell):
            tidy_up(host)

    HeadlessHost.reporter, HeadlessHost.tidy_up = reporter, tidied  # type: ignore[method-assign]
    Exclusive.acquire, Exclusive.release = acquired, released  # type: ignore[method-assign]
    return tell


@contextlib.contextmanager
def _timed(what: str, tell: Callable[[str, Any], None]) -> Iterator[None]:
    began = time.monotonic()
    try:
        yield
    finally:
        tell(what, time.monotonic() - began)


def _tell_of(event: Any, tell: Callable[[str, Any], None]) -> None:
    from lora_workbench.engine.core.events import Progress, RunOpened, StateSaved, StepDone

    if isinstance(event, StepDone):
        tell("step", event.step)
    elif isinstance(event, StateSaved):
        tell("saved", event.step)
    elif isinstance(event, RunOpened):
        tell("lineage", event.lineage)
    elif isinstance(event, Progress) and event.label in ENCODING:
        tell("encoded", 1)
    elif isinstance(event, Progress) and event.label.startswith("drawing"):
        tell("drawn", event.done)

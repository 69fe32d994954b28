"""What programs share whose work several processes may share: torchrun and accelerate launch start them."""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..engine.core.errors import ConfigError, WorkbenchError, WorkflowError
from ..engine.core.events import Event
from ..engine.core.joining import Seat, device_of, join, launched
from ..engine.core.ranks import Ranks
from .printing import complain, complain_of_bug, say, say_json
from .run import INTERRUPTED

if TYPE_CHECKING:
    from ..nodes.host.headless import HeadlessHost


@dataclass
class Outcome:
    """What there is at the end, under the names of ``lora-workbench run``."""

    adapters: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    reports: dict[str, Any] = field(default_factory=dict)
    cached_nodes: int = 0
    """1 if all of it had been made before."""


REFUSED = 2
"""Exit status where the input is wrong, which each process finds by itself."""
_GRACE = 20.0
"""Seconds for the process that reports: torchrun ends all processes with the first that fails, so that a quicker one
would keep it from saying why. When it has, torchrun ends this one too."""
Execute = Callable[[argparse.Namespace, Outcome], tuple[int, str]]
Work = Callable[[str, Ranks], Generator[Event, None, None]]
"""Given the device of this process, and the processes that share the work."""


def reported(arguments: argparse.Namespace, execute: Execute, in_words: Callable[[Outcome, float], str]) -> int:
    """Do the work of a program and print what became of it, once for all processes; gives the exit status.

    Args:
        arguments: of the program; with ``json``, the result is one line of JSON.
        execute: adds to the outcome: (exit status, what went wrong or nothing).
        in_words: the outcome and the seconds that it took, for people.
    """
    started, outcome = time.monotonic(), Outcome()
    status, problem = execute(arguments, outcome)
    seconds = time.monotonic() - started
    if not leads():
        if status == REFUSED:
            time.sleep(_GRACE)
        return status
    if problem:
        complain(problem)
    if arguments.json:
        state = {"status": "error", "error": problem} if problem else {"status": "ok"}
        say_json({**state, "seconds": round(seconds, 3), **vars(outcome)})
    elif not problem:
        say(in_words(outcome, seconds))
    return status


def leads() -> bool:
    """Whether this process reports."""
    with contextlib.suppress(ConfigError):
        return (seat := launched()) is None or seat.rank == 0
    return True


def shared(seat: Seat | None, device: str, work: Work) -> Generator[Event, None, None]:
    """The work of this process, which may be one of several.

    Args:
        seat: of this process; ``None`` if it was started alone.
        device: as asked for.
        work: to do.
    """
    if seat is None:
        yield from work(device, Ranks())
        return
    own = device_of(seat, device)
    group = join(seat, own)
    yield from group.carried(work(str(own), group))


def carried_out(host: HeadlessHost, work: Generator[Event, None, None]) -> tuple[int, str]:
    """Do some work and show it: (exit status, what went wrong or nothing)."""
    from ..nodes.host.headless import Interrupted

    try:
        if leads():
            host.tidy_up()
        with host.interruptible():
            host.drive(work)
    except WorkflowError as error:
        return REFUSED, str(error)
    except WorkbenchError as error:
        return 1, str(error)
    except (Interrupted, KeyboardInterrupt):
        return 1, INTERRUPTED
    except Exception as error:
        if not isinstance(error, OSError):
            complain_of_bug(error)
        return 1, str(error)
    return 0, ""

"""Asking a run in progress for something: to stop and keep what it has, to draw its samples now, or to save one more
snapshot. Each request is a file in its folder of the run store."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import ConfigError
from ..core.storage import write_bytes
from .about import noted
from .listing import running_steps
from .store import REQUESTS, RunStore, Wanted

EVERY_SECONDS = 1.0
"""Between two looks at a file."""


_TRAINED_HERE: set[Path] = set()
"""The files that ask the runs that this process trains now to stop."""


class Request:
    """A request, as the process that trains sees it.

    Args:
        path: of the file, ``RunStore.request``.
        clock: monotonic seconds.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = path, clock
        self._looked = float("-inf")

    def is_made(self) -> bool:
        """Whether the file is there; it is looked for at most once a second."""
        now = self._clock()
        if now - self._looked < EVERY_SECONDS:
            return False
        self._looked = now
        return self._path.exists()

    def is_taken(self) -> bool:
        """As :meth:`is_made`; the request is withdrawn, so that the same one isn't taken twice."""
        made = self.is_made()
        if made:
            self.withdraw()
        return made

    def withdraw(self) -> None:
        """Remove the request, if there is one: it was served, or is left over from an earlier run."""
        with contextlib.suppress(OSError):  # of a store that can only be read
            self._path.unlink(missing_ok=True)


@dataclass(frozen=True, kw_only=True)
class Requests:
    """All that a run can be asked for."""

    stop: Request
    sample: Request
    snapshot: Request

    def withdraw(self) -> None:
        """Remove those that there are."""
        for request in (self.stop, self.sample, self.snapshot):
            request.withdraw()


@contextlib.contextmanager
def taking_requests(store: RunStore, lineage: str) -> Iterator[Requests]:
    """Inside the block, this process trains a run of that lineage. Requests from before, and those that are left in the
    end, are withdrawn."""
    requests = Requests(**{wanted: Request(store.request(lineage, wanted)) for wanted in REQUESTS})
    requests.withdraw()
    stop = store.request(lineage, "stop")
    _TRAINED_HERE.add(stop)
    try:
        yield requests
    finally:
        _TRAINED_HERE.discard(stop)
        requests.withdraw()


def stop_here() -> int:
    """Ask the runs that this process trains to stop after their current step; returns how many there are. May be called
    from any thread.

    Raises:
        StorageError: the run store can't be written.
    """
    paths = tuple(_TRAINED_HERE)
    for path in paths:
        write_bytes(path, b"")
    return len(paths)


def ask(store: RunStore, lineage: str, steps: int, wanted: Wanted) -> bool:
    """Ask the process that trains a run, this one or another, for something after its current step.

    Args:
        store: with the run.
        lineage: of the run, as its folder is called.
        steps: of the whole run.
        wanted: what for.

    Returns:
        Whether the run is in progress; otherwise nobody was asked.

    Raises:
        ConfigError: samples of a run without sample prompts.
        StorageError: the run store can't be written.
    """
    if running_steps(store, lineage) != steps:
        return False
    about = noted(store, lineage, steps)
    if wanted == "sample" and not (about and about.sample_prompts):
        raise ConfigError(
            "This training has no sample prompts.",
            expected="a recipe with sample_prompts",
            hint="add sample_prompts to the recipe; the run goes on from where it is when it is queued again.",
        )
    write_bytes(store.request(lineage, wanted), b"")
    return True

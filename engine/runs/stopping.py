"""Asking a run in progress to stop and keep what it has: a file in its folder of the run store."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from ..core.storage import write_bytes

EVERY_SECONDS = 1.0
"""Between two looks at the file."""


_TRAINED_HERE: set[Path] = set()
"""The files of the runs that this process trains now."""


class StopRequest:
    """The request to stop a run, as the process that trains sees it.

    Args:
        path: of the file, ``RunStore.stop_request``.
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

    def withdraw(self) -> None:
        """Remove the request, if there is one: it was served, or is left over from an earlier run."""
        with contextlib.suppress(OSError):  # of a store that can only be read
            self._path.unlink(missing_ok=True)


@contextlib.contextmanager
def taking_requests(path: Path) -> Iterator[StopRequest]:
    """Inside the block, this process trains the run of that file, ``RunStore.stop_request``; earlier requests are
    withdrawn."""
    request = StopRequest(path)
    request.withdraw()
    _TRAINED_HERE.add(path)
    try:
        yield request
    finally:
        _TRAINED_HERE.discard(path)


def stop_here() -> int:
    """Ask the runs that this process trains to stop after their current step; returns how many there are. May be called
    from any thread.

    Raises:
        StorageError: the run store can't be written.
    """
    paths = tuple(_TRAINED_HERE)
    for path in paths:
        request_stop(path)
    return len(paths)


def request_stop(path: Path) -> None:
    """Ask a run to stop after its current step.

    Raises:
        StorageError: the run store can't be written.
    """
    write_bytes(path, b"")

"""Locks between processes, with a note of who holds them."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Generator
from pathlib import Path

from filelock import FileLock, Timeout

from .events import Event, Message
from .storage import write_json

POLL_SECONDS = 0.5


class Exclusive:
    """A lock on a file, released when its process ends, however it ends.

    Args:
        path: the lock file, created if needed; the holder is noted in a file beside it.
    """

    def __init__(self, path: Path) -> None:
        self._lock = FileLock(path, thread_local=False)  # another thread may close the generator that holds it
        self._holder = path.with_suffix(".holder.json")

    def acquire(self, what: str) -> Generator[Event, None, None]:
        """Wait for the lock, yielding after each attempt, so that the caller can stop waiting by closing the generator.

        Args:
            what: name of the run, for the message.
        """
        Path(self._lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        told = False
        while True:
            try:
                self._lock.acquire(blocking=False)
                break
            except Timeout:
                if not told:
                    yield Message(text=f"{what} is being trained by {self._held_by()}; waiting for it to finish")
                told = True
                yield Event()
                time.sleep(POLL_SECONDS)
        about = {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        write_json(self._holder, about)

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._lock.is_locked:
            self._holder.unlink(missing_ok=True)
            self._lock.release()

    def _held_by(self) -> str:
        with contextlib.suppress(OSError, ValueError, KeyError):
            holder = json.loads(self._holder.read_text(encoding="utf-8"))
            return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
        return "another process"


def is_held(path: Path) -> bool:
    """Whether any process holds the lock on a file."""
    if not path.exists():
        return False
    try:
        with FileLock(path).acquire(blocking=False):
            return False
    except Timeout:
        return True

"""Locks between processes, with a note of who holds them."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Generator, Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from .events import Event, Message
from .storage import cannot_write, write_json

POLL_SECONDS = 0.5


class Exclusive:
    """A lock on a file, released when its process ends, however it ends.

    ::

        lock = Exclusive(path)
        try:
            yield from lock.acquire("fox")
            ...
        finally:
            lock.release()

    Args:
        path: the lock file, created if needed; the holder is noted in a file beside it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path, thread_local=False)  # a generator may be closed by another thread
        self._holder = path.with_suffix(".holder.json")

    def acquire(self, what: str, doing: str = "training the same run") -> Generator[Event, None, None]:
        """Wait for the lock, yielding after each attempt, so that the caller can stop waiting by closing the generator.

        On a file system without locks, it says so and continues.

        Args:
            what: name of the run, for messages.
            doing: what the holder is doing, for messages.

        Raises:
            StorageError: the folder can't be written.
        """
        announced = False
        while not self._lock.is_locked:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._lock.acquire(blocking=False)
            except Timeout:
                if not announced:
                    yield Message(text=f"{what}: waiting for {self._held_by(doing)}")
                announced = True
                yield Event()
                time.sleep(POLL_SECONDS)
            except NotImplementedError:
                yield Message(text=f"{what}: this file system has no locks; don't start the same run twice at once")
                return
            except OSError as error:
                raise cannot_write(self._path, error) from error
        about = {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
        write_json(self._holder, about)

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._lock.is_locked:
            self._holder.unlink(missing_ok=True)
            self._lock.release()

    def _held_by(self, doing: str) -> str:
        with contextlib.suppress(OSError, ValueError, KeyError):
            holder = json.loads(self._holder.read_text(encoding="utf-8"))
            where = "" if holder["host"] == platform.node() else f" on {holder['host']}"
            return f"process {holder['pid']}{where}, which has been {doing} since {holder['since']}"
        return f"another process that is {doing}"


@contextlib.contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Hold a lock within the block if no other process does; yields whether it is held here, without waiting.

    Args:
        path: of an :class:`Exclusive`. If the file doesn't exist, nobody holds the lock, and the file isn't created.
    """
    if not path.exists():
        yield True
        return
    lock, ours = FileLock(path, thread_local=False), True
    try:
        lock.acquire(blocking=False)
    except NotImplementedError:
        pass  # a file system without locks: no way to tell
    except OSError:  # another process holds it, or it can't be opened
        ours = False
    try:
        yield ours
    finally:
        lock.release()

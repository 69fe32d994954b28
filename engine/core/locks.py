"""Locks between processes, with a note of who holds them."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TypeVar

from .events import Event, Message
from .file_locks import NoLocksError, file_lock, try_acquire
from .storage import cannot_write, write_json

T = TypeVar("T")
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
        path: the lock file, created if needed.
        noted: whether the holder is noted in a file beside it.
    """

    def __init__(self, path: Path, *, noted: bool = True) -> None:
        self._path = path
        self._lock = file_lock(path)
        self._holder = path.with_suffix(".holder.json") if noted else None

    def acquire(self, what: str, doing: str = "training the same run") -> Generator[Event, None, None]:
        """Wait for the lock, yielding after each attempt, so that the caller can stop waiting by closing the generator.

        On a file system without locks, it says so and continues. Where a process of another machine has left the lock
        without a word, it says that too: it was killed, or the file system doesn't share locks between machines.

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
                if try_acquire(self._lock):
                    break
            except NoLocksError:
                yield Message(text=f"{what}: this file system has no locks; don't start the same run twice at once")
                return
            except OSError as error:
                raise cannot_write(self._path, error) from error
            if not announced:
                yield Message(text=f"{what}: waiting for {self._held_by(doing)}")
            announced = True
            yield Event()
            time.sleep(POLL_SECONDS)
        if self._holder:
            yield from self._left_behind(what, doing)
            about = {"pid": os.getpid(), "host": platform.node(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}
            write_json(self._holder, about)

    def release(self) -> None:
        """Release the lock, if it is held."""
        if self._lock.is_locked:
            if self._holder:
                self._holder.unlink(missing_ok=True)
            self._lock.release()

    def _held_by(self, doing: str) -> str:
        holder = self._note()
        if holder is None:
            return f"another process that is {doing}"
        where = "" if holder["host"] == platform.node() else f" on {holder['host']}"
        return f"process {holder['pid']}{where}, which has been {doing} since {holder['since']}"

    def _left_behind(self, what: str, doing: str) -> Iterator[Message]:
        """What to say of a holder that didn't remove its note, where this machine can't know that it has ended."""
        holder = self._note()
        if holder is not None and holder["host"] != platform.node():
            yield Message(
                text=f"{what}: process {holder['pid']} on {holder['host']} began {doing} at {holder['since']} and "
                "holds no lock any more. If it still runs, this disk doesn't share locks between machines"
            )

    def _note(self) -> dict[str, str] | None:
        """What the holder has noted of itself: ``pid``, ``host`` and ``since``."""
        if self._holder is None:
            return None
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            noted = json.loads(self._holder.read_text(encoding="utf-8"))
            return {name: str(noted[name]) for name in ("pid", "host", "since")}
        return None


def alone(path: Path, doing: str, work: Generator[Event, None, T]) -> Generator[Event, None, T]:
    """Some work that only one process does at a time; the others wait.

    Args:
        path: of the lock file.
        doing: for messages.
        work: begins when the lock is held, so that it sees what the process before has done.

    Raises:
        StorageError: the folder can't be written.
    """
    lock = Exclusive(path, noted=False)
    with contextlib.closing(work):
        try:
            yield from lock.acquire(doing, "doing the same")
            return (yield from work)
        finally:
            lock.release()


def lock_beside(folder: Path, name: str) -> Path:
    """The lock file for something in a cache's folder; not in it, as what is there can be pruned."""
    return folder.with_name(".locks") / name


@contextlib.contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Hold a lock within the block if no other process does; yields whether it is held here, without waiting.

    Args:
        path: of an :class:`Exclusive`. If the file doesn't exist, nobody holds the lock, and the file isn't created.
    """
    if not path.exists():
        yield True
        return
    lock, ours = file_lock(path), True
    try:
        ours = try_acquire(lock)
    except NoLocksError:
        pass  # there is no way to tell
    except OSError:  # it can't be opened
        ours = False
    try:
        yield ours
    finally:
        lock.release()

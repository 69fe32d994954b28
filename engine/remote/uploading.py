"""Sending a file in a thread, so that there is progress, and it can be stopped."""

from __future__ import annotations

import io
from collections.abc import Callable, Generator, Sequence
from threading import Event as Flag
from threading import Thread
from typing import Any, TypeVar

from ..core.events import Event, Progress

T = TypeVar("T")


class Counted(io.RawIOBase):
    """A file that counts what is read of it, and can be stopped by another thread."""

    def __init__(self, file: Any, sent: list[int], stopped: Flag) -> None:
        self._file, self._sent, self._stopped = file, sent, stopped
        sent[0] = 0

    def fileno(self) -> int:
        return self._file.fileno()  # its size is asked for by it

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        if self._stopped.is_set():
            raise ConnectionAbortedError("stopped")
        data = self._file.read(size)
        self._sent[0] += len(data)
        return data


def aside(call: Callable[[], T], sent: Sequence[int], size: int, stopped: Flag) -> Generator[Event, None, T]:
    """Do something slow in a thread, with progress; when the generator is closed, it is stopped."""
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append((True, call()))
        except BaseException as error:
            outcome.append((False, error))

    thread = Thread(target=work, name="lora-workbench-upload", daemon=True)
    thread.start()
    try:
        while thread.is_alive():
            thread.join(0.2)
            yield Progress(done=min(sent[0], size) >> 10, total=max(size >> 10, 1), label="sending, kB")
    finally:
        stopped.set()
    good, value = outcome[0]
    if good:
        return value
    raise value

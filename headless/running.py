"""The host of the workflow that is running: each run has its own, so that two can go on in one process."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol


class ShowsProgress(Protocol):
    """Where progress is shown."""

    def begin(self, title: str) -> None: ...

    def clear(self) -> None: ...


class RunHost(Protocol):
    """What the executor and the stand-ins for ComfyUI's classes ask of the place that a workflow runs in."""

    @property
    def progress(self) -> ShowsProgress: ...

    def check_interruption(self) -> None: ...

    def output_directory(self) -> Path: ...

    def temp_directory(self) -> Path: ...

    def store_root(self) -> Path: ...

    def workflow_metadata(self, cls: type[Any]) -> dict[str, str]: ...


_current: ContextVar[RunHost] = ContextVar("lora_workbench_host")


@contextlib.contextmanager
def running(host: RunHost) -> Iterator[None]:
    """Within the block, ``host`` is the one that nodes ask."""
    token = _current.set(host)
    try:
        yield
    finally:
        _current.reset(token)


def current(default: Callable[[], RunHost] | None = None) -> RunHost:
    """The host of this run, or what ``default`` makes outside of any.

    Raises:
        LookupError: nothing runs, and there is no default.
    """
    host = _current.get(None)
    if host is not None:
        return host
    if default is None:
        raise LookupError("no workflow is running")
    return default()

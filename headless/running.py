"""The host of the running workflow. Each run has its own, so that two can run in one process."""

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
    """What the executor and the stand-ins for ComfyUI's classes need from the place that a workflow runs in."""

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
    """Make ``host`` the one that nodes get, within the block."""
    token = _current.set(host)
    try:
        yield
    finally:
        _current.reset(token)


def current(default: Callable[[], RunHost] | None = None) -> RunHost:
    """The host of the current run, or what ``default`` makes outside any run.

    Raises:
        LookupError: no workflow is running, and there is no default.
    """
    host = _current.get(None)
    if host is not None:
        return host
    if default is None:
        raise LookupError("no workflow is running")
    return default()

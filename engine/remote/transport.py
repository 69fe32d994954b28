"""httpx, under whichever of its names it is installed, and without its lines in logs."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..core.errors import ConfigError
from ..core.words import missing

if TYPE_CHECKING:
    import ssl

_NAMES = ("httpx", "httpx2")
"""httpx2 is the same interface under another name; one of both comes with huggingface_hub, and so with ComfyUI."""


def library() -> Any:
    """The module.

    Raises:
        ConfigError: it isn't installed.
    """
    for name in _NAMES:
        try:
            return import_module(name)
        except ImportError:
            continue
    raise ConfigError(missing("httpx", "hosted"), expected="httpx, which talks to hosted trainers", hint="install it.")


@cache
def certificates() -> ssl.SSLContext:
    """Reading them takes as long as several requests."""
    return library().create_ssl_context()


_ours: ContextVar[bool] = ContextVar("a request of ours", default=False)


class _OfOthers(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        del record
        return not _ours.get()


_OF_OTHERS = _OfOthers()


@contextmanager
def quietly() -> Iterator[None]:
    """Requests inside aren't logged by httpx: their addresses may hold signatures, and a job is asked about for hours.

    Those of others, also in other threads, still are.
    """
    logging.getLogger(library().__name__).addFilter(_OF_OTHERS)  # once, however often
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)

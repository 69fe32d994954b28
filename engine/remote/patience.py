"""How long to wait for a provider, and how often to ask."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass

from ..core.events import Event

_TICK = 0.25
"""Seconds between signs of life."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """All in seconds, but for ``tries``."""

    poll: float = 5.0
    """Between two questions about a job."""
    tries: int = 5
    """Of a request that may be repeated."""
    first: float = 1.0
    """Before the second try; doubled for each further one."""
    longest: float = 30.0
    """Between two tries, unless the provider asks for more."""
    most_asked: float = 300.0
    """The longest wait that a provider may ask for by ``Retry-After``."""
    connect: float = 10.0
    """For a connection."""
    answer: float = 60.0
    """For the next piece of an answer."""
    looks: tuple[float, ...] = (0.0, 3.0, 10.0)
    """Before each look into the provider's list for a job that may have been started."""
    settled: float = 900.0
    """After which a start request can't be under way any more."""
    outage: float = 6 * 3600.0
    """For which a provider may be out of reach while a job runs there."""
    upload_kept: float = 20 * 3600.0
    """For which uploaded pictures are used again."""

    def before_try(self, number: int) -> float:
        """Seconds before a try, which is number 1 if it is the first repetition."""
        return min(self.longest, self.first * 2 ** (number - 1))


def waited(seconds: float) -> Generator[Event, None, None]:
    """Wait, with signs of life."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        yield Event()
        time.sleep(min(left, _TICK))

"""Weights of adapters by sampling step: how strong one is as a picture comes out of the noise.

Early steps settle what is where, late ones how it looks; so a subject may go first, and a style follow.
"""

from __future__ import annotations

from itertools import pairwise
from math import isfinite
from typing import TypeAlias

from ..core.errors import ConfigError

Schedule: TypeAlias = tuple[tuple[float, float], ...]
"""(share of the sampling from which on it counts, factor of the weight), rising; before the first, the factor is 1."""
_MOST = 100
"""Entries; there aren't more steps that count."""


def schedule_of(text: str) -> Schedule:
    """A schedule as people write it: ``0: 1, 0.5: 0`` is on for the first half; an empty text is none.

    Raises:
        ConfigError: it isn't such pairs of numbers, in rising order of shares from 0 to below 1.
    """
    pairs = [pair.split(":") for pair in text.replace("\n", ",").split(",") if pair.strip()]
    try:
        found = tuple((float(start), float(factor)) for start, factor in pairs)
    except ValueError:
        raise _unreadable(f"{text!r} isn't a schedule") from None
    if not all(0 <= start < 1 and isfinite(factor) for start, factor in found) or len(found) > _MOST:
        raise _unreadable(f"The schedule {text!r} has shares or factors out of their ranges")
    if any(start >= following for (start, _), (following, _) in pairwise(found)):
        raise _unreadable(f"The shares of the schedule {text!r} don't rise")
    return found


def _unreadable(got: str) -> ConfigError:
    return ConfigError(
        f"{got}.",
        expected="pairs of a share of the sampling, from 0 to below 1 and rising, and a finite factor of the weight",
        hint="write such as 0: 1, 0.5: 0 for an adapter that is on for the first half.",
    )


def factor_at(schedule: Schedule, share: float) -> float:
    """What the weight is multiplied by.

    Args:
        schedule: may be empty.
        share: of the sampling that is done, from 0 to 1.
    """
    return next((factor for start, factor in reversed(schedule) if start <= share), 1.0)


def in_words(schedule: Schedule) -> str:
    """As people write it, for example ``0: 1, 0.5: 0``; empty for none."""
    return ", ".join(f"{start:g}: {factor:g}" for start, factor in schedule)

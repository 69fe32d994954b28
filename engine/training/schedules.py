"""Learning-rate schedules, each a function of the share of steps done."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..core.errors import ConfigError
from ..core.registry import Registry

Schedule = Callable[[float], float]
"""Share of the steps done, in [0, 1] -> factor of the learning rate."""

SCHEDULES: Registry[Schedule] = Registry("learning-rate schedule", ConfigError)
SCHEDULES.register("constant", lambda _: 1.0)
SCHEDULES.register("linear", lambda done: 1.0 - done)
SCHEDULES.register("cosine", lambda done: 0.5 * (1 + math.cos(math.pi * done)))


def learning_rate_factor(schedule: str, step: int, *, steps: int, warmup_steps: int) -> float:
    """Factor of the learning rates at a step (from 0): the schedule times a linear warm-up.

    Raises:
        ConfigError: the schedule is unknown.
    """
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    return warmup * SCHEDULES.get(schedule)(min(1.0, step / steps))

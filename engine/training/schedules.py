"""Learning-rate schedules, each a function of the share of steps done."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..core.errors import ConfigError
from ..core.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What some schedules leave open."""

    cycles: int = 1
    """Cosines with a restart between them."""
    decay_share: float = 0.2
    """Share of the steps at the end over which ``stable_decay`` comes down, in (0, 1]."""
    minimum: float = 0.0
    """Factor that a schedule comes down to, in [0, 1]."""


Schedule = Callable[[float, Shape], float]
"""Share of the steps done, in [0, 1], and shape -> factor of the learning rate, in [0, 1]."""


def _cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


SCHEDULES: Registry[Schedule] = Registry("learning-rate schedule", ConfigError)
SCHEDULES.register("constant", lambda _, __: 1.0)
SCHEDULES.register("linear", lambda done, _: 1.0 - done)
SCHEDULES.register("cosine", lambda done, _: _cosine(done))
# Loshchilov & Hutter 2017, arXiv:1608.03983, eq. 5, with cycles of one length.
SCHEDULES.register("cosine_restarts", lambda done, shape: _cosine(done * shape.cycles % 1) if done < 1 else 0.0)
# Chen et al. 2021, arXiv:2107.04197, eq. 1: higher than a line, and steep at the end.
SCHEDULES.register("rex", lambda done, _: (1 - done) / (0.5 + 0.5 * (1 - done)))
# Hu et al. 2024, arXiv:2404.06395, section 4.2: warm-up, stable, decay; here with a linear decay.
SCHEDULES.register("stable_decay", lambda done, shape: min(1.0, (1 - done) / shape.decay_share))


def learning_rate_factor(
    schedule: str, step: int, *, steps: int, warmup_steps: int, shape: Shape | None = None
) -> float:
    """Factor of the learning rates at a step (from 0): the schedule times a linear warm-up.

    Raises:
        ConfigError: the schedule is unknown.
    """
    shape = shape or Shape()
    warmup = min(1.0, (step + 1) / warmup_steps) if warmup_steps else 1.0
    factor = SCHEDULES.get(schedule)(min(1.0, step / steps), shape)
    return warmup * (shape.minimum + (1 - shape.minimum) * factor)

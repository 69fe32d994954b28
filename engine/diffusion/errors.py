r"""Loss functions: what an error of the prediction, e, costs. All are even in e, and 0 at 0.

The pseudo-Huber losses are quadratic below :math:`\delta` and linear above, so that outliers, such as watermarks and
miscaptioned pictures, pull less (Khrapov et al. 2024, arXiv:2403.16728); formulas and schedules are those of
kohya-ss/sd-scripts (``conditional_loss`` and ``get_huber_threshold_if_needed``, ``library/train_util.py``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import ConfigError
from ..core.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


def squared(error: Tensor, delta: Tensor) -> Tensor:
    """:math:`e^2`."""
    del delta
    return error.square()


def absolute(error: Tensor, delta: Tensor) -> Tensor:
    """:math:`|e|`."""
    del delta
    return error.abs()


def huber(error: Tensor, delta: Tensor) -> Tensor:
    r""":math:`2 \delta (\sqrt{e^2 + \delta^2} - \delta)`: tends to :math:`e^2` where :math:`\delta` is large."""
    return delta * smooth_l1(error, delta)


def smooth_l1(error: Tensor, delta: Tensor) -> Tensor:
    r""":math:`2 (\sqrt{e^2 + \delta^2} - \delta)`: tends to :math:`2 |e|` where :math:`\delta` is small."""
    squares = error.square()
    return 2 * squares / ((squares + delta.square()).sqrt() + delta)  # the same, without canceling digits


class LossFunction(NamedTuple):
    """What an error costs."""

    cost: Callable[[Tensor, Tensor], Tensor]
    """(error, delta above 0 that can be broadcast to it) -> cost of the same shape."""
    of_delta: bool = False
    """Whether it depends on delta."""


LOSS_FUNCTIONS: Registry[LossFunction] = Registry("loss function", ConfigError)
LOSS_FUNCTIONS.register("mse", LossFunction(squared))
LOSS_FUNCTIONS.register("l1", LossFunction(absolute))
LOSS_FUNCTIONS.register("huber", LossFunction(huber, of_delta=True))
LOSS_FUNCTIONS.register("smooth_l1", LossFunction(smooth_l1, of_delta=True))


class NoiseLevel(NamedTuple):
    """What schedules go by, all of shape (B,)."""

    u: Tensor
    """0 is clean, 1 pure noise; on any device."""
    alpha: Tensor
    sigma: Tensor


def constant(least: float, level: NoiseLevel) -> Tensor:
    r""":math:`\delta = c` at all noise levels."""
    import torch

    return torch.full_like(level.alpha, least)


def exponential(least: float, level: NoiseLevel) -> Tensor:
    r""":math:`\delta = c^u`: from 1 at clean pictures to c at pure noise, where outliers pull most, as in the
    paper, with :math:`u = t / T`.
    """
    return least ** level.u.to(level.alpha)


def by_snr(least: float, level: NoiseLevel) -> Tensor:
    r""":math:`\delta = (1 - c) / (1 + \sigma / \alpha)^2 + c`: from 1 to c as well, by the ratio of noise to signal;
    sd-scripts' default.
    """
    return (1 - least) * (level.alpha / (level.alpha + level.sigma)).square() + least


DELTA_SCHEDULES: Registry[Callable[[float, NoiseLevel], Tensor]] = Registry("schedule of delta", ConfigError)
"""(c, noise levels) -> delta of each sample, (B,)."""
DELTA_SCHEDULES.register("constant", constant)
DELTA_SCHEDULES.register("exponential", exponential)
DELTA_SCHEDULES.register("snr", by_snr)

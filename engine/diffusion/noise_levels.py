r"""Which noise levels u in [0, 1] are trained on, where 0 is clean and 1 is pure noise.

Each distribution is a rising function of a uniform or a normal random number, so that its quantiles are known exactly.
With ``flow`` u is sigma; with ``epsilon`` and ``v_prediction`` it chooses among the model's timesteps.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import ConfigError
from ..core.registry import Registry
from .shift import Shift

if TYPE_CHECKING:
    from torch import Generator, Tensor

STEEPEST_MODE = 2 / (math.pi - 2)
"""The largest ``mode_scale`` whose levels still rise."""
_PARABOLA = 7.7
"""Curvature of the inverted parabola: the ``noising_weight`` of OneTrainer's presets for Chroma."""


@dataclass(frozen=True, kw_only=True)
class NoiseLevels:
    """A distribution, then a shift, then a range onto which all levels are mapped.

    The order is that of musubi-tuner (``timestep_sampling``, ``min_timestep`` and ``max_timestep``). OneTrainer shifts
    what the range has left instead, so that its limits move.
    """

    distribution: str = "uniform"
    """A name in ``DISTRIBUTIONS``."""
    logit_mean: float = 0.0
    logit_std: float = 1.0
    mode_scale: float = 1.29
    shift: Shift = field(default_factory=Shift)
    lowest: float = 0.0
    highest: float = 1.0

    def draw(self, count: int, generator: Generator, *, tokens: float) -> Tensor:
        """Levels of ``count`` samples, shape (count,), float32.

        Args:
            count: number of samples.
            generator: on the CPU.
            tokens: of each sample, as ``shift`` counts them.
        """
        import torch

        distribution = DISTRIBUTIONS.get(self.distribution)
        random = torch.randn if distribution.of_normal else torch.rand
        return self._placed(distribution.level(random(count, generator=generator), self), tokens)

    def quantiles(self, shares: Sequence[float] | Tensor, *, tokens: float) -> Tensor:
        """The levels below which these shares of all samples lie, float64. ``shares`` are in (0, 1)."""
        import torch

        distribution = DISTRIBUTIONS.get(self.distribution)
        random = torch.as_tensor(shares, dtype=torch.float64)
        if distribution.of_normal:
            random = torch.special.ndtri(random)
        return self._placed(distribution.level(random, self), tokens)

    def share_below(self, level: float, *, tokens: float) -> float:
        """The share of all samples below a level, to a thousandth."""
        import torch

        shares = (torch.arange(1000) + 0.5) / 1000
        return (self.quantiles(shares, tokens=tokens) < level).float().mean().item()

    def in_words(self, *, tokens: float) -> str:
        """For example ``a tenth of the steps below 0.47, half below 0.76, a tenth above 0.92``."""
        low, middle, high = self.quantiles([0.1, 0.5, 0.9], tokens=tokens).tolist()
        return f"a tenth of the steps below {low:.2f}, half below {middle:.2f}, a tenth above {high:.2f}"

    def _placed(self, u: Tensor, tokens: float) -> Tensor:
        shifted = self.shift.apply(u.clamp(0, 1), tokens)  # rounding may have left the range
        return self.lowest + (self.highest - self.lowest) * shifted


class Distribution(NamedTuple):
    """How random numbers become noise levels."""

    level: Callable[[Tensor, NoiseLevels], Tensor]
    """Random numbers -> levels in [0, 1] of the same shape, rising."""
    of_normal: bool = False
    """Whether the random numbers are standard normal, rather than uniform in [0, 1)."""


def uniform(p: Tensor, settings: NoiseLevels) -> Tensor:
    """All levels alike."""
    del settings
    return p


def logit_normal(z: Tensor, settings: NoiseLevels) -> Tensor:
    r""":math:`u = \operatorname{sigmoid}(m + s z)`, :math:`z \sim N(0, 1)`; arXiv:2403.03206, eq. 19.

    With :math:`m = 0` it is what kohya's trainers and ai-toolkit call ``sigmoid``, with :math:`s` as its scale.
    """
    import torch

    return torch.sigmoid(settings.logit_mean + settings.logit_std * z)


def mode(p: Tensor, settings: NoiseLevels) -> Tensor:
    r"""Mode sampling with heavy tails: :math:`f(v; s) = 1 - v - s (\cos^2(\frac{\pi}{2} v) - 1 + v)` with uniform
    :math:`v`, here :math:`1 - p` so that it rises; arXiv:2403.03206, eq. 20.

    Above 0 :math:`s` favors the middle, below 0 both ends.
    """
    import torch

    v = 1 - p
    return 1 - v - settings.mode_scale * (torch.cos(math.pi / 2 * v).square() - 1 + v)


def cosmap(p: Tensor, settings: NoiseLevels) -> Tensor:
    r"""Signal to noise as in the cosine schedule: :math:`u = 1 - \frac{1}{\tan(\frac{\pi}{2} p) + 1}`, whose density is
    :math:`\frac{2}{\pi - 2 \pi u + 2 \pi u^2}`; arXiv:2403.03206, eq. 21.
    """
    import torch

    del settings
    sine, cosine = torch.sin(math.pi / 2 * p), torch.cos(math.pi / 2 * p)
    return sine / (sine + cosine)


def inverted_parabola(p: Tensor, settings: NoiseLevels) -> Tensor:
    r"""Density in proportion to :math:`2 - w (u - \frac{1}{2})^2`; OneTrainer's ``INVERTED_PARABOLA``, with the weight
    7.7 of its presets for Chroma.

    With :math:`u = \frac{1}{2} + a \sin\theta` and :math:`a = \sqrt{8 / w}`, the distribution function is
    :math:`\frac{1}{2} + \frac{2 a}{3 n} \sin 3 \theta`, where :math:`n = 2 - w / 12` is the area below the parabola.
    """
    import torch

    del settings
    reach, area = math.sqrt(8 / _PARABOLA), 2 - _PARABOLA / 12
    return 0.5 + reach * torch.sin(torch.asin(3 * area / (2 * reach) * (p - 0.5)) / 3)


DISTRIBUTIONS: Registry[Distribution] = Registry("timestep distribution", ConfigError)
DISTRIBUTIONS.register("uniform", Distribution(uniform))
DISTRIBUTIONS.register("logit_normal", Distribution(logit_normal, of_normal=True))
DISTRIBUTIONS.register("mode", Distribution(mode))
DISTRIBUTIONS.register("cosmap", Distribution(cosmap))
DISTRIBUTIONS.register("inverted_parabola", Distribution(inverted_parabola))

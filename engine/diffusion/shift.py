r"""The shift of flow models: larger pictures need more noise to hide as much, so noise levels move toward 1.

Esser et al. 2024, arXiv:2403.03206, eq. 23, with :math:`s = \sqrt{m / n}` there:
:math:`\sigma' = \frac{s \sigma}{1 + (s - 1) \sigma}`. FLUX.1 and its successors give :math:`s = e^\mu`, with
:math:`\mu` linear in the number of tokens of the picture. Two shifts in a row are one by the product of their factors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

Levels = TypeVar("Levels", float, "Tensor")


class Line(NamedTuple):
    r""":math:`\mu` by the number of tokens n: slope n + exponent ln n + intercept."""

    slope: float
    intercept: float
    above: float = -1.0
    """The line holds above this number of tokens."""
    exponent: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Shift:
    """A shift by picture size, or the same for all sizes. By default it changes nothing."""

    lines: tuple[Line, ...] = (Line(0.0, 0.0),)
    """By rising ``above``; the first holds for any number of tokens."""

    @staticmethod
    def fixed(factor: float) -> Shift:
        """The same for all sizes.

        Args:
            factor: :math:`s`, above 0; 1 changes nothing.
        """
        return Shift(lines=(Line(0.0, math.log(factor)),))

    @staticmethod
    def by_tokens(*, fewest: float = 256, low: float = 0.5, most: float = 4096, high: float = 1.15) -> Shift:
        r""":math:`\mu` is ``low`` at ``fewest`` tokens and ``high`` at ``most``, and linear between and beyond.

        The defaults are those of FLUX.1: ``calculate_shift`` in diffusers, ``get_lin_function`` in Black Forest Labs'
        code.
        """
        slope = (high - low) / (most - fewest)
        return Shift(lines=(Line(slope, low - slope * fewest),))

    @staticmethod
    def by_side(*, plain: float) -> Shift:
        """In proportion to the picture's side: eq. 23 itself, and what Ideogram 4 does.

        Args:
            plain: number of tokens at which nothing is shifted.
        """
        return Shift(lines=(Line(0.0, -0.5 * math.log(plain), exponent=0.5),))

    @staticmethod
    def flux2(steps: int) -> Shift:
        """FLUX.2's own, fitted to sampling in 10 and in 200 steps: ``compute_empirical_mu`` in diffusers.

        Args:
            steps: sampling steps of the pictures that are made later; 50 for the full model, 4 for the distilled one.
        """
        few, many = Line(8.73809524e-05, 1.89833333), Line(0.00016927, 0.45666666)
        share = (steps - 10) / 190
        between = (a + share * (b - a) for a, b in zip(few[:2], many[:2], strict=True))
        return Shift(lines=(Line(*between), many._replace(above=4300)))

    @staticmethod
    def of_scheduler(config: Mapping[str, Any]) -> Shift:
        """The shift in the configuration of a ``FlowMatchEulerDiscreteScheduler`` of diffusers.

        Raises:
            ValueError: its ``time_shift_type`` is another than ``exponential``.
        """
        if not config.get("use_dynamic_shifting", False):
            return Shift.fixed(config.get("shift", 1.0))
        if (kind := config.get("time_shift_type", "exponential")) != "exponential":
            raise ValueError(f"time_shift_type {kind!r} is not supported; expected exponential")
        return Shift.by_tokens(
            fewest=config.get("base_image_seq_len", 256),
            low=config.get("base_shift", 0.5),
            most=config.get("max_image_seq_len", 4096),
            high=config.get("max_shift", 1.15),
        )

    @property
    def depends_on_size(self) -> bool:
        """Whether pictures of different sizes are shifted differently."""
        return any(line.slope or line.exponent for line in self.lines)

    def mu(self, tokens: float) -> float:
        """The logarithm of :meth:`factor`. ``tokens`` are 1 or more."""
        line = next(line for line in reversed(self.lines) if tokens > line.above)
        return line.slope * tokens + line.exponent * math.log(tokens) + line.intercept

    def factor(self, tokens: float) -> float:
        """:math:`s` for pictures of so many tokens."""
        return math.exp(self.mu(tokens))

    def apply(self, sigma: Levels, tokens: float) -> Levels:
        """Noise levels in [0, 1], shifted; eq. 23."""
        return shifted(sigma, self.factor(tokens))


def shifted(sigma: Levels, factor: float) -> Levels:
    """Noise levels in [0, 1], shifted by a factor above 0; eq. 23. The factor's inverse undoes it."""
    return factor * sigma / (1 + (factor - 1) * sigma)

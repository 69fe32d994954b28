r"""Loss weights of the noise levels.

With :math:`SNR = \alpha^2 / \sigma^2`, an error of the noise weighs :math:`w(SNR)`. The error of v is
:math:`1 / \alpha^2` times that of the noise for the same prediction of the picture, so that it weighs
:math:`w(SNR) \cdot SNR / (SNR + 1)`: a weighting means the same for ``epsilon`` and ``v_prediction``. The papers have
no weights for ``flow``, which is left unweighted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import ConfigError
from ..core.registry import Registry
from .prediction import PredictionType

if TYPE_CHECKING:
    from torch import Tensor

_LOWEST_SNR = 1e-4
"""Below it, weights stay what they are there: debiased estimation would be infinite at zero terminal SNR."""
_LEAST_SIGMA = 1e-8
"""Keeps the SNR of clean pictures finite."""


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """A weighting with its parameters."""

    name: str = "min_snr"
    """In ``WEIGHTINGS``."""
    gamma: float = 5.0
    """Of min-SNR and soft min-SNR; 0 turns them off."""
    p2_gamma: float = 1.0
    p2_k: float = 1.0

    @property
    def changes_anything(self) -> bool:
        """Whether it isn't 1 at all noise levels."""
        weighting = WEIGHTINGS.get(self.name)
        return bool(self.gamma) if weighting.of_gamma else self.name != "p2" or self.p2_gamma != 0

    def of(self, prediction_type: PredictionType, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The weight of each sample's loss, shape (B,), from 0 up; 1 for ``flow``."""
        import torch

        if prediction_type == "flow" or not self.changes_anything:
            return torch.ones_like(alpha)
        if self.name == "min_snr":  # in its own order of operations, on which the bits of runs depend
            return min_snr_weight(prediction_type, alpha, sigma, self.gamma)
        snr = (alpha / sigma.clamp(min=_LEAST_SIGMA)).square()
        of_noise = WEIGHTINGS.get(self.name).weight(snr.clamp(min=_LOWEST_SNR), self)
        return of_noise if prediction_type == "epsilon" else of_noise * snr / (snr + 1)


def min_snr_weight(prediction_type: PredictionType, alpha: Tensor, sigma: Tensor, gamma: float) -> Tensor:
    r"""Loss weight of each sample, shape (B,): min-SNR-:math:`\gamma` (Hang et al. 2023, arXiv:2303.09556, eq. 8).

    With :math:`SNR = \alpha^2 / \sigma^2`: :math:`\min(SNR, \gamma) / SNR` for ``epsilon`` and
    :math:`\min(SNR, \gamma) / (SNR + 1)` for ``v_prediction``. ``flow`` is left unweighted, and so is everything
    when ``gamma`` is 0. At zero terminal SNR the epsilon weight tends to 1.
    """
    import torch

    if gamma == 0 or prediction_type == "flow":
        return torch.ones_like(alpha)
    snr = (alpha / sigma.clamp(min=_LEAST_SIGMA)).square()
    capped = snr.clamp(max=gamma)
    if prediction_type == "epsilon":
        return torch.where(snr > 0, capped / snr.clamp(min=1e-12), torch.ones_like(snr))
    return capped / (snr + 1)


def min_snr(snr: Tensor, weights: LossWeights) -> Tensor:
    r""":math:`\min(SNR, \gamma) / SNR`, as :func:`min_snr_weight` has it for ``epsilon``."""
    return snr.clamp(max=weights.gamma) / snr


def soft_min_snr(snr: Tensor, weights: LossWeights) -> Tensor:
    r""":math:`\gamma / (SNR + \gamma)`: min-SNR without its kink (Crowson et al. 2024, arXiv:2401.11605).

    The error of the picture weighs :math:`1 / (\sigma^2 + \gamma^{-1}) = SNR\,\gamma / (SNR + \gamma)` there, with
    :math:`SNR = 1 / \sigma^2`, and the error of the noise 1 / SNR times that. Below :math:`\gamma` it tends to 1, above
    it to :math:`\gamma / SNR`, as min-SNR does; at :math:`SNR = \gamma` it is half of it.
    """
    return weights.gamma / (snr + weights.gamma)


def debiased(snr: Tensor, weights: LossWeights) -> Tensor:
    r""":math:`1 / \sqrt{SNR}`: debiased estimation (Yu et al. 2023, arXiv:2310.08442).

    sd-scripts and OneTrainer have the same for ``epsilon`` (up to SNR 1,000), but for ``v_prediction`` another
    objective: 1 / (SNR + 1) and :math:`1 / \sqrt{SNR + 1}`.
    """
    del weights
    return snr.rsqrt()


def p2(snr: Tensor, weights: LossWeights) -> Tensor:
    r""":math:`1 / (k + SNR)^\gamma`: perception prioritized (Choi et al. 2022, arXiv:2204.00227)."""
    return (weights.p2_k + snr) ** -weights.p2_gamma


class Weighting(NamedTuple):
    """How errors of the noise weigh."""

    weight: Callable[[Tensor, LossWeights], Tensor]
    """SNR, above 0, and parameters -> weights of the same shape."""
    of_gamma: bool = False
    """Whether ``gamma`` is a parameter, which at 0 turns it off."""


WEIGHTINGS: Registry[Weighting] = Registry("loss weighting", ConfigError)
WEIGHTINGS.register("min_snr", Weighting(min_snr, of_gamma=True))
WEIGHTINGS.register("soft_min_snr", Weighting(soft_min_snr, of_gamma=True))
WEIGHTINGS.register("debiased", Weighting(debiased))
WEIGHTINGS.register("p2", Weighting(p2))

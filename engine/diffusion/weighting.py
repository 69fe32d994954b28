"""Loss weights of the noise levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .prediction import PredictionType

if TYPE_CHECKING:
    from torch import Tensor


def min_snr_weight(prediction_type: PredictionType, alpha: Tensor, sigma: Tensor, gamma: float) -> Tensor:
    r"""Loss weight of each sample, shape (B,): min-SNR-:math:`\gamma` (Hang et al. 2023, arXiv:2303.09556, eq. 8).

    With :math:`SNR = \alpha^2 / \sigma^2`: :math:`\min(SNR, \gamma) / SNR` for ``epsilon`` and
    :math:`\min(SNR, \gamma) / (SNR + 1)` for ``v_prediction``. ``flow`` is left unweighted, and so is everything
    when ``gamma`` is 0. At zero terminal SNR the epsilon weight tends to 1.
    """
    import torch

    if gamma == 0 or prediction_type == "flow":
        return torch.ones_like(alpha)
    snr = (alpha / sigma.clamp(min=1e-8)).square()
    capped = snr.clamp(max=gamma)
    if prediction_type == "epsilon":
        return torch.where(snr > 0, capped / snr.clamp(min=1e-12), torch.ones_like(snr))
    return capped / (snr + 1)

r"""Prediction types: what a denoiser predicts.

Shapes: B batch, C channels, H and W of the latent. ``alpha`` and ``sigma`` have shape (B,).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from .noise import over

if TYPE_CHECKING:
    from torch import Tensor

PredictionType = Literal["epsilon", "v_prediction", "flow"]


def target(prediction_type: PredictionType, x0: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    r"""The training target of the denoiser, shape (B, C, H, W).

    - ``epsilon``: :math:`\epsilon` (arXiv:2006.11239, eq. 14)
    - ``v_prediction``: :math:`v = \alpha_t \epsilon - \sigma_t x_0` (Salimans & Ho 2022, arXiv:2202.00512, app. D)
    - ``flow``: :math:`\epsilon - x_0` (Liu et al. 2022, arXiv:2209.03003; signs as in Esser et al. 2024)

    Raises:
        ValueError: the prediction type is none of these.
    """
    if prediction_type == "epsilon":
        return noise
    if prediction_type == "v_prediction":
        return over(alpha, x0) * noise - over(sigma, x0) * x0
    if prediction_type == "flow":
        return noise - x0
    raise ValueError(f"unknown prediction type {prediction_type!r}; known: epsilon, v_prediction, flow")

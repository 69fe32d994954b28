r"""Noising, training targets and loss weights, as pure functions.

The forward process is :math:`x_t = \alpha_t x_0 + \sigma_t \epsilon`, with :math:`\alpha_t, \sigma_t` supplied by the
base model: variance preserving for ``epsilon`` and ``v_prediction``, linear (:math:`\alpha = 1 - \sigma`) for ``flow``.

Shapes: B batch, C channels, H and W of the latent. ``alpha`` and ``sigma`` have shape (B,).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Generator, Tensor

Objective = Literal["epsilon", "v_prediction", "flow"]


def _over(values: Tensor, like: Tensor) -> Tensor:
    """(B,) -> (B, 1, …) with as many axes as ``like``."""
    return values.to(like.dtype).reshape(-1, *([1] * (like.ndim - 1)))


def uniform_levels(count: int, generator: Generator) -> Tensor:
    """``count`` noise levels u in [0, 1), uniform; the backbone maps them to its own timesteps. float32."""
    import torch

    return torch.rand(count, generator=generator)


def add_noise(x0: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    r""":math:`x_t = \alpha_t x_0 + \sigma_t \epsilon`; Ho et al. 2020, arXiv:2006.11239, eq. 4. All (B, C, H, W)."""
    return _over(alpha, x0) * x0 + _over(sigma, x0) * noise


def target(objective: Objective, x0: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    r"""What the denoiser should predict, shape (B, C, H, W).

    - ``epsilon``: :math:`\epsilon` (arXiv:2006.11239, eq. 14)
    - ``v_prediction``: :math:`v = \alpha_t \epsilon - \sigma_t x_0` (Salimans & Ho 2022, arXiv:2202.00512, app. D)
    - ``flow``: :math:`\epsilon - x_0` (Liu et al. 2022, arXiv:2209.03003; signs as in Esser et al. 2024)

    Raises:
        ValueError: the objective isn't one of these.
    """
    if objective == "epsilon":
        return noise
    if objective == "v_prediction":
        return _over(alpha, x0) * noise - _over(sigma, x0) * x0
    if objective == "flow":
        return noise - x0
    raise ValueError(f"unknown objective {objective!r}; known: epsilon, v_prediction, flow")


def min_snr_weight(objective: Objective, alpha: Tensor, sigma: Tensor, gamma: float) -> Tensor:
    r"""Loss weight of each sample, shape (B,): min-SNR-:math:`\gamma` (Hang et al. 2023, arXiv:2303.09556, eq. 8).

    With :math:`SNR = \alpha^2 / \sigma^2`: :math:`\min(SNR, \gamma) / SNR` for ``epsilon`` and
    :math:`\min(SNR, \gamma) / (SNR + 1)` for ``v_prediction``. ``flow`` is left unweighted, and so is everything
    when ``gamma`` is 0. At zero terminal SNR the epsilon weight tends to 1.
    """
    import torch

    if gamma == 0 or objective == "flow":
        return torch.ones_like(alpha)
    snr = (alpha / sigma.clamp(min=1e-8)).square()
    capped = snr.clamp(max=gamma)
    if objective == "epsilon":
        return torch.where(snr > 0, capped / snr.clamp(min=1e-12), torch.ones_like(snr))
    return capped / (snr + 1)

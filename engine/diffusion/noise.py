r"""The forward process.

:math:`x_t = \alpha_t x_0 + \sigma_t \epsilon`, with :math:`\alpha_t, \sigma_t` supplied by the base model: variance
preserving for ``epsilon`` and ``v_prediction``, linear (:math:`\alpha = 1 - \sigma`) for ``flow``.

Shapes: B batch, C channels, H and W of the latent. ``alpha`` and ``sigma`` have shape (B,).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Generator, Tensor


def over(values: Tensor, like: Tensor) -> Tensor:
    """(B,) -> (B, 1, …) with as many dimensions as ``like``."""
    return values.to(like.dtype).reshape(-1, *([1] * (like.ndim - 1)))


def gaussian_noise(shape: Sequence[int], generator: Generator, *, offset: float = 0.0) -> Tensor:
    r"""Standard normal noise (B, C, …), plus ``offset`` times one normal value per channel of each sample.

    The offset noise of Nicholas Guttenberg (crosslabs.org, "Diffusion with Offset Noise", 2023):
    :math:`\epsilon = z + o\, z_{bc}`. Without it a model hardly learns a picture's mean brightness.
    """
    import torch

    noise = torch.randn(*shape, generator=generator)
    if offset:
        noise = noise + offset * torch.randn(*shape[:2], *[1] * len(shape[2:]), generator=generator)
    return noise


def add_noise(x0: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    r""":math:`x_t = \alpha_t x_0 + \sigma_t \epsilon`; Ho et al. 2020, arXiv:2006.11239, eq. 4. All (B, C, H, W)."""
    return over(alpha, x0) * x0 + over(sigma, x0) * noise

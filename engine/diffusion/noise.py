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


def pyramid_noise(noise: Tensor, generator: Generator, *, iterations: int, discount: float) -> Tensor:
    r"""Noise of several resolutions, (B, C, h, w), so that a model learns large areas and brightness too.

    Multi-resolution noise of Jonathan Whitaker (wandb.ai/johnowhitaker/multires_noise, 2023), as in sd-scripts
    (``pyramid_noise_like``, ``library/custom_train_functions.py``):
    :math:`\epsilon = (z + \sum_{i<n} d^i \operatorname{up}(z_i)) / s`, where :math:`z_i` has sides :math:`r_i^i`
    times smaller with :math:`r_i` uniform in [2, 4), and s makes the standard deviation 1. Here s is that of each
    sample rather than of the batch, so that no sample depends on the others.

    Args:
        noise: standard normal, (B, C, h, w).
        generator: on the CPU.
        iterations: n; it ends where a side is 1.
        discount: d, from 0 to 1.
    """
    import torch
    from torch.nn import functional

    height, width = noise.shape[-2:]
    for i in range(iterations):
        ratio = (2 + 2 * torch.rand((), generator=generator).item()) ** i
        sides = (max(1, int(height / ratio)), max(1, int(width / ratio)))
        coarse = torch.randn(*noise.shape[:2], *sides, generator=generator)
        noise = noise + discount**i * functional.interpolate(coarse, size=(height, width), mode="bilinear")
        if 1 in sides:
            break
    return noise / noise.std(dim=(1, 2, 3), keepdim=True)


def perturbed(noise: Tensor, generator: Generator, *, strength: float) -> Tensor:
    r""":math:`\epsilon + \gamma \xi`, :math:`\xi \sim N(0, 1)`: the noise that a model sees, while it learns
    :math:`\epsilon` (Ning et al. 2023, arXiv:2301.11706, algorithm 1).

    It is as if predictions of earlier sampling steps were somewhat wrong, which they are.

    Args:
        noise: (B, C, h, w).
        generator: on the CPU.
        strength: gamma; 0 gives the noise itself and draws nothing.
    """
    import torch

    return noise + strength * torch.randn(noise.shape, generator=generator) if strength else noise


def add_noise(x0: Tensor, noise: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
    r""":math:`x_t = \alpha_t x_0 + \sigma_t \epsilon`; Ho et al. 2020, arXiv:2006.11239, eq. 4. All (B, C, H, W)."""
    return over(alpha, x0) * x0 + over(sigma, x0) * noise

"""How autoencoders' latents become those that a denoiser is trained on, and back.

Latents have shape (B, C, h, w). Each pair is inverse to each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


def scaled(latents: Tensor, config: Any) -> Tensor:
    """Shifted and scaled by the autoencoder's configuration (FLUX.1, Z-Image)."""
    return (latents - (config.shift_factor or 0.0)) * config.scaling_factor


def unscaled(latents: Tensor, config: Any) -> Tensor:
    return latents / config.scaling_factor + (config.shift_factor or 0.0)


def standardized(latents: Tensor, config: Any) -> Tensor:
    """By the mean and deviation of each channel in the autoencoder's configuration (Qwen-Image, Wan)."""
    return (latents - _channels(config.latents_mean, latents)) / _channels(config.latents_std, latents)


def unstandardized(latents: Tensor, config: Any) -> Tensor:
    return latents * _channels(config.latents_std, latents) + _channels(config.latents_mean, latents)


def _channels(values: list[float], like: Tensor) -> Tensor:
    return like.new_tensor(values).reshape(1, -1, *[1] * (like.ndim - 2))


def packed(latents: Tensor, patch: int) -> Tensor:
    """Latents (B, C, h, w) as a sequence of patches (B, h w / patch², C patch²)."""
    batch, channels, height, width = latents.shape
    cut = latents.reshape(batch, channels, height // patch, patch, width // patch, patch)
    return cut.permute(0, 2, 4, 1, 3, 5).reshape(batch, -1, channels * patch**2)


def unpacked(sequence: Tensor, patch: int, height: int, width: int) -> Tensor:
    """The way back from :func:`packed`, to latents of ``height`` x ``width``."""
    batch, _, channels = sequence.shape
    cut = sequence.reshape(batch, height // patch, width // patch, channels // patch**2, patch, patch)
    return cut.permute(0, 3, 1, 4, 2, 5).reshape(batch, channels // patch**2, height, width)

"""The noise levels of a run, from its recipe and its base model."""

from __future__ import annotations

from ..diffusion.noise_levels import NoiseLevels
from ..diffusion.shift import Shift
from ..models.contract import BackboneInfo
from .recipe import NoiseSettings


def trained_levels(settings: NoiseSettings, base: BackboneInfo) -> NoiseLevels:
    """The levels that a recipe trains on."""
    return NoiseLevels(
        distribution=settings.timestep_distribution,
        logit_mean=settings.logit_mean,
        logit_std=settings.logit_std,
        mode_scale=settings.mode_scale,
        shift=_shift(settings, base),
        lowest=settings.sigma_min,
        highest=settings.sigma_max,
    )


def sampled_levels(base: BackboneInfo) -> NoiseLevels:
    """The levels that the base model's own sampler goes through, from 1 to 0 in equal steps before its shift."""
    return NoiseLevels(shift=base.shift if base.prediction_type == "flow" else Shift())


def tokens_of(base: BackboneInfo, height: int, width: int) -> int:
    """Tokens of a latent of so many pixels."""
    return max(1, (height // base.patch) * (width // base.patch))


def _shift(settings: NoiseSettings, base: BackboneInfo) -> Shift:
    if base.prediction_type != "flow":
        return Shift()
    shifts = {
        "none": Shift(),
        "fixed": Shift.fixed(settings.shift_factor),
        "resolution": Shift.by_tokens(),
        "model": base.shift,
    }
    return shifts[settings.noise_shift]

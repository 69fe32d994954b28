"""The noise levels of a run, from its recipe and its base model."""

from __future__ import annotations

from typing import Any

from ..data.dataset import Dataset
from ..diffusion.noise_levels import NoiseLevels
from ..diffusion.shift import Shift
from ..models.contract import BackboneInfo
from .epochs import bucket_sizes
from .recipe import Recipe
from .settings import NoiseSettings

DETAIL = 0.45
"""Below this level, flow models decide on details and texture: where the published recipes for styles train."""
_DECILES = [tenth / 10 for tenth in range(1, 10)]


def trained_levels(settings: NoiseSettings, base: BackboneInfo) -> NoiseLevels:
    """The levels that a recipe trains on. Models other than flow models have no shift."""
    return _levels(settings, _shift(settings, base.shift) if base.prediction_type == "flow" else Shift())


def levels_without_base(settings: NoiseSettings) -> NoiseLevels:
    """Those on a flow model that has no shift of its own."""
    return _levels(settings, _shift(settings, Shift()))


def levels_with_shift(settings: NoiseSettings, own: Shift | None) -> NoiseLevels:
    """Those on a model with this shift of its own; ``None`` for models other than flow models."""
    return _levels(settings, Shift() if own is None else _shift(settings, own))


def sampled_levels(base: BackboneInfo) -> NoiseLevels:
    """The levels that the base model's own sampler goes through, from 1 to 0 in equal steps before its shift."""
    return NoiseLevels(shift=base.shift)


def tokens_of(base: BackboneInfo, height: int, width: int) -> int:
    """Tokens of latents of so many pixels."""
    return max(1, (height // base.patch) * (width // base.patch))


def usual_tokens(recipe: Recipe, dataset: Dataset, base: BackboneInfo) -> int:
    """Tokens of the most common size of a run's samples."""
    sizes = bucket_sizes(dataset, recipe.batches.resolution or base.resolution)
    [((width, height), _)] = sizes.most_common(1)
    return tokens_of(base, height // base.latent_factor, width // base.latent_factor)


def levels_report(levels: NoiseLevels, tokens: float) -> dict[str, Any]:
    """Plain values: the nine levels below which one to nine tenths of the steps lie, and the factor of the shift."""
    return {
        "deciles": [round(level, 4) for level in levels.quantiles(_DECILES, tokens=tokens).tolist()],
        "share_below_0.45": round(levels.share_below(DETAIL, tokens=tokens), 3),
        "shift": round(levels.shift.factor(tokens), 4),
    }


def _levels(settings: NoiseSettings, shift: Shift) -> NoiseLevels:
    return NoiseLevels(
        distribution=settings.timestep_distribution,
        logit_mean=settings.logit_mean,
        logit_std=settings.logit_std,
        mode_scale=settings.mode_scale,
        shift=shift,
        lowest=settings.sigma_min,
        highest=settings.sigma_max,
    )


def _shift(settings: NoiseSettings, own: Shift) -> Shift:
    """The shift that is chosen, of a model with this one of its own."""
    shifts = {
        "none": Shift(),
        "fixed": Shift.fixed(settings.shift_factor),
        "resolution": Shift.by_tokens(),
        "model": own,
    }
    return shifts[settings.noise_shift]

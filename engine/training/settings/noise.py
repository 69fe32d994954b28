"""Settings of the noise and its levels."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.fields import Settings, raise_all, setting
from ...diffusion.noise_levels import DISTRIBUTIONS, STEEPEST_MODE
from .circumstances import Circumstances

NOISE_SHIFTS = ("none", "fixed", "resolution", "model")


def _is_logit_normal(now: Circumstances) -> bool:
    return now.recipe.noise.timestep_distribution == "logit_normal"


def _is_mode(now: Circumstances) -> bool:
    return now.recipe.noise.timestep_distribution == "mode"


def _shifts_by_factor(now: Circumstances) -> bool:
    return now.is_flow and now.recipe.noise.noise_shift == "fixed"


@dataclass(frozen=True, kw_only=True)
class NoiseSettings(Settings):
    """Which noise levels are trained on."""

    title = "Noise levels"

    timestep_distribution: str = setting(
        "uniform", "Distribution of the noise levels. logit_normal, mode and cosmap are from arXiv:2403.03206, "
        "inverted_parabola from OneTrainer. The sigmoid of other trainers is logit_normal with its scale as logit_std.",
        choices=DISTRIBUTIONS, neutral="uniform",
    )  # fmt: skip
    logit_mean: float = setting(
        0.0, "Mean of logit_normal. Above 0 favors noisier levels.", minimum=-10, maximum=10, step=0.1,
        used=_is_logit_normal, unused="unless timestep_distribution is logit_normal",
    )  # fmt: skip
    logit_std: float = setting(
        1.0,
        "Standard deviation of logit_normal. Lower values narrow the range of noise levels.",
        above=0,
        maximum=10,
        step=0.1,
        used=_is_logit_normal,
        unused="unless timestep_distribution is logit_normal",
    )
    noise_offset: float = setting(
        0.0, "Random shift of each noise channel, which helps with very dark or bright pictures. Usually 0.05 to 0.1; "
        "0 turns it off.",
        minimum=0, maximum=1, step=0.01, neutral=0.0,
    )  # fmt: skip
    mode_scale: float = setting(
        1.29, "Scale of mode. Above 0 favors the middle levels, below 0 both ends.", minimum=-1,
        maximum=int(STEEPEST_MODE * 100) / 100, step=0.01, used=_is_mode,
        unused="unless timestep_distribution is mode",
    )  # fmt: skip
    noise_shift: str = setting(
        "none", "Shift of flow models' noise levels toward noise: none; fixed by shift_factor; by the resolution, as "
        "FLUX.1 is sampled; or as the base model itself is sampled.",
        choices=NOISE_SHIFTS, used=lambda now: now.is_flow, unused="on models other than flow models",
    )  # fmt: skip
    shift_factor: float = setting(
        3.0, "Factor of a fixed shift: s in s u / (1 + (s - 1) u). Above 1 favors noisier levels. Usually 1 to 4.",
        above=0, maximum=100, step=0.1, used=_shifts_by_factor, unused="unless noise_shift is fixed, on a flow model",
    )  # fmt: skip
    sigma_min: float = setting(
        0.0, "The lowest noise level; all are mapped into the range. 0 is clean, 1 pure noise. Raise it to leave "
        "details alone.",
        minimum=0, maximum=1, step=0.01, neutral=0.0,
    )  # fmt: skip
    sigma_max: float = setting(
        1.0, "The highest noise level. Lower it to leave composition alone, for example to 0.4 for a style.",
        minimum=0, maximum=1, step=0.01, neutral=1.0,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma_min >= self.sigma_max:
            line = f"sigma_min: got {self.sigma_min:g}, expected less than sigma_max, which is {self.sigma_max:g}"
            raise_all([line], self.title)

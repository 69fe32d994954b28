"""Settings of the noise and its levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.fields import Settings, raise_all, setting
from ...diffusion.noise import gaussian_noise, pyramid_noise
from ...diffusion.noise_levels import DISTRIBUTIONS, STEEPEST_MODE
from .circumstances import Circumstances

if TYPE_CHECKING:
    from torch import Generator, Tensor

NOISE_SHIFTS = ("none", "fixed", "resolution", "model")


def _is_logit_normal(now: Circumstances) -> bool:
    return now.recipe.noise.timestep_distribution == "logit_normal"


def _is_mode(now: Circumstances) -> bool:
    return now.recipe.noise.timestep_distribution == "mode"


def _has_pyramid(now: Circumstances) -> bool:
    return now.recipe.noise.pyramid_iterations > 0


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
    pyramid_iterations: int = setting(
        0, "Resolutions of pyramid noise, which helps with large areas and with very dark or bright pictures, as "
        "noise_offset does. Usually 6 to 10; 0 turns it off.",
        since="0.2", minimum=0, maximum=16, neutral=0,
    )  # fmt: skip
    pyramid_discount: float = setting(
        0.3, "How much less each coarser resolution of pyramid noise weighs. Usually 0.1 to 0.3, up to 0.8 for long "
        "runs.",
        since="0.2", minimum=0, maximum=1, step=0.05, used=_has_pyramid, unused="without pyramid_iterations",
    )  # fmt: skip
    input_perturbation: float = setting(
        0.0, "Further noise in what the model sees, and not in what it learns, as sampling sees its own errors "
        "(arXiv:2301.11706). Usually 0.1; 0 turns it off.",
        since="0.2", minimum=0, maximum=1, step=0.01, neutral=0.0,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        problems = []
        if self.sigma_min >= self.sigma_max:
            problems.append(
                f"sigma_min: got {self.sigma_min:g}, expected less than sigma_max, which is {self.sigma_max:g}"
            )
        if self.noise_offset and self.pyramid_iterations:
            problems.append(
                f"noise_offset and pyramid_iterations: got {self.noise_offset:g} and {self.pyramid_iterations}, "
                "expected 0 for one of them, as both change the noise of large areas"
            )
        raise_all(problems, self.title)

    def noise(self, shape: Sequence[int], generator: Generator) -> Tensor:
        """The noise that a model learns, (B, C, h, w), on the CPU."""
        noise = gaussian_noise(shape, generator, offset=self.noise_offset)
        if not self.pyramid_iterations:
            return noise
        return pyramid_noise(noise, generator, iterations=self.pyramid_iterations, discount=self.pyramid_discount)

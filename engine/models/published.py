"""Recipes that others published for a family, each value with its source.

Rates belong to the rank and alpha beside them: an update is scaled by alpha / rank, so that 1e-4 with alpha = rank
moves weights as far as 1.6e-3 with alpha 1 at rank 16. What a family leaves out is as in :data:`GENERAL`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Sourced(NamedTuple):
    """A value of a recipe with where it comes from."""

    value: Any
    source: str
    """Who published it, for people."""


Settings = Mapping[str, Sourced]
"""Name of a recipe's setting -> its value."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """What trains a family of base models well."""

    settings: Settings = field(default_factory=dict)
    """Whatever the goal."""
    goals: Mapping[str, Settings] = field(default_factory=dict)
    """Goal -> what is added to these, or replaces them."""
    advice: str = ""
    """What else to know before training, for people, in a sentence or two."""

    def of(self, goal: str) -> Settings:
        """The settings for a goal."""
        return {**self.settings, **self.goals.get(goal, {})}

    def values(self, goal: str) -> dict[str, Any]:
        """The same without sources."""
        return {name: sourced.value for name, sourced in self.of(goal).items()}


def _by(source: str, **settings: Any) -> dict[str, Sourced]:
    return {name: Sourced(value, source) for name, value in settings.items()}


def _ranks(source: str, rank: int) -> dict[str, Sourced]:
    return _by(source, rank=rank, alpha=float(rank))


_OWN = "our own choice"
_DIFFUSERS = "diffusers' DreamBooth examples"
_MIN_SNR = "arXiv:2303.09556"
_SD3 = "arXiv:2403.03206, section 3.1"
_AI_TOOLKIT = "ai-toolkit's example"
_ONE_TRAINER = "OneTrainer's preset"
_MUSUBI = "musubi-tuner's documentation"
_SD_SCRIPTS = "sd-scripts' documentation"
_FIZGIG = "Fizgig's recipe"
_FEED_FORWARD = "attention_and_feed_forward"

GENERAL = Published(
    settings=_by(_DIFFUSERS, learning_rate=1e-4) | _by(_MIN_SNR, snr_gamma=5.0) | _ranks(_OWN, 16),
    goals={"style": _ranks(_OWN, 32) | _by(_OWN, targets=_FEED_FORWARD)},
)
"""What is suggested for SD1.x, SD2.x and every family that nothing is known of."""

IP2P = Published(settings=_by("arXiv:2211.09800, section 3.2.1", caption_dropout=0.1, reference_dropout=0.1))

SDXL = Published(settings=_by(_SD_SCRIPTS, learning_rate=1e-4, rank=32, alpha=16.0))

SD3 = Published(settings=_by(_AI_TOOLKIT, learning_rate=1e-4) | _by(_SD3, timestep_distribution="logit_normal"))

FLUX1 = Published(
    settings=_by(_AI_TOOLKIT, learning_rate=1e-4, timestep_distribution="logit_normal", caption_dropout=0.05)
    | _by(_SD_SCRIPTS, training_guidance=1.0)
)

FLUX1_SCHNELL = Published(
    settings=FLUX1.settings,
    advice="schnell is distilled to 4 steps: train it with a training adapter (companions), which is off when you "
    "generate.",
)

FLUX2 = Published(
    settings=_by(_FIZGIG, learning_rate=1e-4)
    | _by(_ONE_TRAINER, timestep_distribution="logit_normal", noise_shift="resolution"),
    goals={"style": _by(_FIZGIG, sigma_min=0.0, sigma_max=0.4)},
)

FLUX2_DISTILLED = Published(
    settings=FLUX2.settings,
    goals=FLUX2.goals,
    advice="klein is distilled: train on klein base, whose adapters work on klein too.",
)

FLUX3_DISTILLED = Published(
    advice="klein is distilled: train on klein base, whose adapters work on klein too.",
)

Z_IMAGE = Published(
    settings=_by(_AI_TOOLKIT, learning_rate=1e-4)
    | _ranks(_AI_TOOLKIT, 32)
    | _by(_ONE_TRAINER, timestep_distribution="logit_normal"),
    goals={"style": _by(_ONE_TRAINER, targets=_FEED_FORWARD)},
)

Z_IMAGE_TURBO = Published(
    settings=Z_IMAGE.settings,
    goals=Z_IMAGE.goals,
    advice="Turbo is distilled: train it with a training adapter (companions), such as ostris' "
    "zimage_turbo_training_adapter_v2, or train the base, whose adapters work on Turbo too.",
)

KREA2 = Published(
    settings=_ranks(_MUSUBI, 32)
    | _by(_MUSUBI, learning_rate=1e-4, targets=_FEED_FORWARD, timestep_distribution="logit_normal")
    | _by(_MUSUBI, noise_shift="fixed", shift_factor=2.5)
)

KREA2_TURBO = Published(
    settings=KREA2.settings,
    advice="Turbo is distilled: train on Raw, and use the adapter on Turbo; musubi-tuner says so.",
)

QWEN_IMAGE = Published(
    settings=_by(_AI_TOOLKIT, learning_rate=1e-4)
    | _by(_MUSUBI, timestep_distribution="logit_normal", noise_shift="fixed", shift_factor=2.2)
)

QWEN_IMAGE_EDIT = Published(settings={**QWEN_IMAGE.settings, **_by(_AI_TOOLKIT, caption_dropout=0.05)})

QWEN_IMAGE_21 = Published(
    settings=_by(_FIZGIG, learning_rate=1.5e-4, resolution=704),
    advice="It is distilled: train it with a training adapter (companions), which is off when you generate.",
)

ANIMA = Published(
    settings=_by("FHfanshu's Anima_Trainer", learning_rate=1e-4, rank=32, alpha=32.0)
    | _by(_SD_SCRIPTS, timestep_distribution="logit_normal")
    | _by(_ONE_TRAINER, targets=_FEED_FORWARD)
)

CHROMA = Published(
    settings=_by(_AI_TOOLKIT, learning_rate=1e-4, caption_dropout=0.05)
    | _by(_ONE_TRAINER, timestep_distribution="inverted_parabola", targets=_FEED_FORWARD)
)

IDEOGRAM4 = Published(
    settings=_by(_ONE_TRAINER, learning_rate=5e-5, rank=16, alpha=1.0, targets=_FEED_FORWARD)
    | _by(_ONE_TRAINER, timestep_distribution="logit_normal", resolution=512)
)

WAN = Published(
    settings=_ranks(_AI_TOOLKIT, 32)
    | _by(_AI_TOOLKIT, learning_rate=1e-4, caption_dropout=0.05)
    | _by(_MUSUBI, timestep_distribution="logit_normal", noise_shift="fixed", shift_factor=3.0)
)

LUMINA2 = Published(
    settings=_by(_SD_SCRIPTS, learning_rate=1e-4, rank=8, alpha=8.0)
    | _by(_SD_SCRIPTS, timestep_distribution="logit_normal", noise_shift="resolution")
)

HIDREAM = Published(
    settings=_ranks(_AI_TOOLKIT, 32) | _by(_AI_TOOLKIT, learning_rate=2e-4, noise_shift="model", caption_dropout=0.05)
)

ERNIE = Published(
    settings=_by(_ONE_TRAINER, learning_rate=3e-4, rank=16, alpha=1.0, targets=_FEED_FORWARD)
    | _by(_ONE_TRAINER, timestep_distribution="logit_normal", resolution=512)
)

"""The recipe: every setting of a training, in groups. Each setting is declared once, here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..adapters.kinds import KINDS
from ..core.fields import Settings, problem_with, raise_all, setting, settings_of, unknown_setting
from ..diffusion.prediction import PredictionType
from ..diffusion.timesteps import DISTRIBUTIONS
from .optimizers import OPTIMIZERS
from .schedules import SCHEDULES, learning_rate_factor

TARGETS = ("attention", "attention_and_feed_forward", "all_layers")


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What decides, beside the recipe itself, whether a setting has an effect."""

    recipe: Recipe
    has_prior: bool
    """Whether there are regularization pictures."""
    all_cropped: bool
    """Whether every picture comes with crops of its own, from buckets."""
    prediction_type: PredictionType


def _trains_text_encoder(now: Circumstances) -> bool:
    return now.recipe.adapter.train_text_encoder


def _has_prior(now: Circumstances) -> bool:
    return now.has_prior


def _shuffles_captions(now: Circumstances) -> bool:
    return now.recipe.captions.caption_shuffle > 1


def _is_logit_normal(now: Circumstances) -> bool:
    return now.recipe.noise.timestep_distribution == "logit_normal"


@dataclass(frozen=True, kw_only=True)
class AdapterSettings(Settings):
    """What is trained."""

    title = "Adapter"

    kind: str = setting(
        "lora", "Kind of adapter. LoRA adds alpha / rank * B A to each weight and loads everywhere.", choices=KINDS
    )
    rank: int = setting(
        16, "Inner dimension of the update, usually 4 to 64: its capacity, and the size of its file.", minimum=1,
        maximum=1024,
    )  # fmt: skip
    alpha: float = setting(
        16.0, "The update is scaled by alpha / rank. With alpha equal to rank, rates suit any rank.",
        above=0, maximum=4096, step=0.5,
    )  # fmt: skip
    targets: str = setting(
        "attention", "Layers to adapt. Adding feed-forward layers to attention suits styles.", choices=TARGETS
    )
    train_text_encoder: bool = setting(
        False, "Train the text encoder too. Rarely needed, and slower: captions can't be encoded in advance.",
        neutral=False,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings(Settings):
    """How the adapter's values are updated."""

    title = "Optimizer"

    optimizer: str = setting("adamw", "Update rule. AdamW is the field's standard.", choices=OPTIMIZERS)
    learning_rate: float = setting(
        1e-4, "Size of each step. Too high breaks pictures, too low learns nothing; 1e-4 suits alpha equal to rank.",
        above=0, maximum=1000, step=1e-7,
    )  # fmt: skip
    text_encoder_learning_rate: float = setting(
        1e-5, "Learning rate of the text encoder, if it is trained.", minimum=0, maximum=1000, step=1e-7,
        used=_trains_text_encoder,
    )  # fmt: skip
    weight_decay: float = setting(
        0.01, "Pulls the adapter's values towards zero, in proportion to the learning rate.", minimum=0, maximum=10,
        step=0.001,
    )  # fmt: skip
    max_grad_norm: float = setting(
        1.0, "Gradients are scaled down to this norm; 0 turns clipping off.", minimum=0, maximum=1000, step=0.1,
        neutral=0.0,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings(Settings):
    """How long to train, and the course of the learning rate."""

    title = "Schedule"

    steps: int = setting(
        1000, "Optimizer steps. About 1,000 are usual; too many and the adapter only repeats its training pictures. "
        "Raising them later continues the training.",
        minimum=1, maximum=1_000_000, keyed=False,
    )  # fmt: skip
    schedule: str = setting(
        "constant", "Course of the learning rate after the warm-up: constant, or down to zero at the last step.",
        choices=SCHEDULES,
    )  # fmt: skip
    warmup_steps: int = setting(
        50, "Steps over which the learning rate rises to its value.", minimum=0, maximum=1_000_000, neutral=0
    )


@dataclass(frozen=True, kw_only=True)
class BatchSettings(Settings):
    """What one step sees."""

    title = "Batches"

    batch_size: int = setting(
        1, "Pictures in each batch. Larger batches are steadier and need more memory.", minimum=1, maximum=1024
    )
    gradient_accumulation: int = setting(
        1, "Batches added up before each optimizer step: a larger batch without more memory.", minimum=1, maximum=1024,
        neutral=1,
    )  # fmt: skip
    resolution: int = setting(
        0, "Side to which pictures without buckets are scaled and center-cropped; 0 takes the base model's own.",
        unit="pixels", minimum=0, maximum=8192, step=8, used=lambda now: not now.all_cropped,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LossSettings(Settings):
    """How errors count."""

    title = "Loss"

    snr_gamma: float = setting(
        5.0, "Min-SNR weighting of the timesteps (arXiv:2303.09556), usually 5; 0 turns it off. Without effect on flow "
        "models.",
        minimum=0, maximum=1000, step=0.5, neutral=0.0, used=lambda now: now.prediction_type != "flow",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class NoiseSettings(Settings):
    """Which noise levels are trained."""

    title = "Noise levels"

    timestep_distribution: str = setting(
        "uniform", "How timesteps are sampled. logit_normal prefers the middle ones (arXiv:2403.03206).",
        choices=DISTRIBUTIONS, neutral="uniform",
    )  # fmt: skip
    logit_mean: float = setting(
        0.0, "Mean of logit_normal; above 0 prefers noisier timesteps.", minimum=-10, maximum=10, step=0.1,
        used=_is_logit_normal,
    )  # fmt: skip
    logit_std: float = setting(
        1.0, "Standard deviation of logit_normal.", above=0, maximum=10, step=0.1, used=_is_logit_normal
    )
    noise_offset: float = setting(
        0.0, "Shifts each channel's noise as a whole, so that very dark and bright pictures are learned. Usually 0.05 "
        "to 0.1; 0 turns it off.",
        minimum=0, maximum=1, step=0.01, neutral=0.0,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PriorSettings(Settings):
    """Prior preservation with regularization pictures (DreamBooth, arXiv:2208.12242)."""

    title = "Prior preservation"

    prior_weight: float = setting(
        1.0, "Weight of the loss on regularization pictures (DreamBooth's lambda).", minimum=0, maximum=100, step=0.05,
        used=_has_prior,
    )  # fmt: skip
    prior_batch_size: int = setting(
        1, "Regularization pictures in each batch, in addition to batch_size.", minimum=1, maximum=1024, used=_has_prior
    )


@dataclass(frozen=True, kw_only=True)
class CaptionSettings(Settings):
    """How captions vary from step to step."""

    title = "Captions"

    caption_dropout: float = setting(
        0.0, "Share of captions replaced by the empty one, so that guidance keeps working; up to 0.1 is usual.",
        minimum=0, maximum=1, step=0.01, neutral=0.0,
    )  # fmt: skip
    caption_shuffle: int = setting(
        0, "Number of different orders of a caption's comma-separated tags; each is encoded once. 0 keeps captions as "
        "written.",
        minimum=0, maximum=1000, used=_shuffles_captions,
    )  # fmt: skip
    caption_keep: int = setting(
        1, "Tags at the start that caption_shuffle leaves in place; include the trigger word.", minimum=0, maximum=100,
        used=_shuffles_captions,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SampleSettings(Settings):
    """Sample pictures while training. They don't change what is trained."""

    title = "Samples"

    sample_every: int = setting(
        0, "Steps between sample pictures; 0 generates none.", minimum=0, maximum=1_000_000, keyed=False
    )
    sample_prompts: tuple[str, ...] = setting((), "Prompts of the sample pictures, one per line.", keyed=False)


@dataclass(frozen=True, kw_only=True)
class SavingSettings(Settings):
    """What is kept along the way. It doesn't change what is trained."""

    title = "Saving"

    save_every: int = setting(
        100, "Steps between saves of the training state, in case of a crash. A canceled training always keeps its last "
        "step.",
        minimum=1, maximum=1_000_000, keyed=False,
    )  # fmt: skip
    snapshot_steps: tuple[int, ...] = setting(
        (), "Steps, comma-separated, after which a snapshot of the adapter is kept.", minimum=1, maximum=1_000_000,
        keyed=False,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train: every setting, in groups."""

    adapter: AdapterSettings = field(default_factory=AdapterSettings)
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)
    schedule: ScheduleSettings = field(default_factory=ScheduleSettings)
    batches: BatchSettings = field(default_factory=BatchSettings)
    loss: LossSettings = field(default_factory=LossSettings)
    noise: NoiseSettings = field(default_factory=NoiseSettings)
    prior: PriorSettings = field(default_factory=PriorSettings)
    captions: CaptionSettings = field(default_factory=CaptionSettings)
    samples: SampleSettings = field(default_factory=SampleSettings)
    saving: SavingSettings = field(default_factory=SavingSettings)
    reason: str = ""
    """Why these values, for people."""

    @staticmethod
    def of(**settings: Any) -> Recipe:
        """A recipe with some settings given by name, whatever their groups; the others have their defaults.

        Raises:
            ConfigError: with one line for each setting that isn't known or can't be used.
        """
        return Recipe().changed(**settings)

    def changed(self, **settings: Any) -> Recipe:
        """This recipe with some settings changed.

        Raises:
            ConfigError: with one line for each setting that isn't known or can't be used.
        """
        raise_all(problems_with(settings), "The recipe")
        changes = {}
        for group in GROUPS:
            if given := {name: value for name, value in settings.items() if GROUP_OF[name] == group}:
                changes[group] = replace(getattr(self, group), **given)
        return replace(self, **changes)

    def flat(self) -> dict[str, Any]:
        """Name -> value of every setting."""
        return {name: getattr(getattr(self, group), name) for name, group in GROUP_OF.items()}

    def learning_rates(self, steps: int) -> list[float]:
        """The denoiser's learning rate at each of the first steps."""
        schedule = self.schedule
        return [
            self.optimizer.learning_rate
            * learning_rate_factor(schedule.schedule, step, steps=schedule.steps, warmup_steps=schedule.warmup_steps)
            for step in range(steps)
        ]

    def keyed(self, circumstances: Circumstances) -> dict[str, Any]:
        """The settings that decide about the trained weights, but for ``steps``.

        A setting that is neutral or has no effect leaves the key, so that a new one changes no key of earlier runs.
        """
        values = self.flat()
        return {
            name: values[name]
            for group, cls in GROUPS.items()
            for name, declared in settings_of(cls).items()
            if declared.counts(values[name], circumstances)
        }


GROUPS: Mapping[str, type[Settings]] = {
    f.name: f.default_factory  # type: ignore[misc]
    for f in fields(Recipe)
    if f.name != "reason"
}
"""Field of the recipe -> group of settings."""

GROUP_OF: Mapping[str, str] = {name: group for group, cls in GROUPS.items() for name in settings_of(cls)}
"""Name of a setting -> field of the recipe. No two groups have a setting of the same name."""


def problems_with(settings: Mapping[str, Any]) -> list[str]:
    """A line for each setting that isn't known or can't be used, whatever their groups."""
    lines = [
        problem_with(GROUPS[GROUP_OF[name]], name, value)
        if name in GROUP_OF
        else unknown_setting(name, GROUP_OF, "the recipe")
        for name, value in settings.items()
    ]
    return [line for line in lines if line]

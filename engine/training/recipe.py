"""The recipe: every setting of a training run, in groups. Each setting is declared once, here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from ..adapters.kinds import TRAINED
from ..core.fields import Settings, build, problems_of, raise_all, setting, settings_of, unknown_setting
from ..diffusion.noise_levels import DISTRIBUTIONS, STEEPEST_MODE
from ..diffusion.prediction import PredictionType
from .blocks import blocks_problem, pattern_problem
from .optimizers import OPTIMIZERS
from .schedules import SCHEDULES, learning_rate_factor

NOISE_SHIFTS = ("none", "fixed", "resolution", "model")
TARGETS = ("attention", "attention_and_feed_forward", "all_layers")


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What decides whether a setting has an effect: the recipe, the data sets and the base model."""

    recipe: Recipe
    has_prior: bool
    """Whether there are regularization pictures."""
    all_cropped: bool
    """Whether every picture has crops of its own, from buckets."""
    prediction_type: PredictionType
    capabilities: frozenset[str] = frozenset()
    """Of the base model."""
    drops_references: bool = False
    """Whether there are pairs, and the base model is guided by pictures before editing."""


def _has_prior(now: Circumstances) -> bool:
    return now.has_prior


def _is_told_guidance(now: Circumstances) -> bool:
    return "guidance_input" in now.capabilities and now.recipe.loss.contrastive_guidance == 1


def _shuffles_captions(now: Circumstances) -> bool:
    return now.recipe.captions.caption_shuffle > 1


def _changes_tags(now: Circumstances) -> bool:
    return _shuffles_captions(now) or now.recipe.captions.tag_dropout > 0


def _has_targets(now: Circumstances) -> bool:
    return not now.recipe.adapter.layers or now.recipe.adapter.train_text_encoder


def _is_logit_normal(now: Circumstances) -> bool:
    return now.recipe.noise.timestep_distribution == "logit_normal"


def _is_mode(now: Circumstances) -> bool:
    return now.recipe.noise.timestep_distribution == "mode"


def _is_flow(now: Circumstances) -> bool:
    return now.prediction_type == "flow"


def _shifts_by_factor(now: Circumstances) -> bool:
    return _is_flow(now) and now.recipe.noise.noise_shift == "fixed"


@dataclass(frozen=True, kw_only=True)
class AdapterSettings(Settings):
    """What is trained."""

    title = "Adapter"

    kind: str = setting(
        "lora", "Kind of adapter. LoRA adds a low-rank update to each weight, and loads everywhere.", choices=TRAINED
    )
    rank: int = setting(
        16, "Inner dimension of the update. Higher ranks learn more and make larger files; usually 4 to 64.", minimum=1,
        maximum=1024,
    )  # fmt: skip
    alpha: float = setting(
        16.0, "The update is scaled by alpha / rank. Usually equal to rank, so that learning rates carry over between "
        "ranks.",
        above=0, maximum=4096, step=0.5,
    )  # fmt: skip
    targets: str = setting(
        "attention",
        "Layers to adapt. Attention is enough for subjects; add feed-forward layers for styles.",
        choices=TARGETS,
        used=_has_targets,
        unused="where layers chooses them",
    )
    train_text_encoder: bool = setting(
        False, "Train the text encoder as well. Rarely needed, and slower, since captions can't be encoded in advance.",
        neutral=False,
    )  # fmt: skip
    layers: str = setting(
        "", "The denoiser's layers to adapt, in place of targets: a regular expression that is found in their names, "
        "as in adapter files or in ComfyUI, such as to_[qv]$. Empty to go by targets.",
        neutral="", check=pattern_problem,
    )  # fmt: skip
    blocks: str = setting(
        "", "The denoiser's blocks to adapt, such as 0-7, 12 or single_blocks 1-16; double_blocks 0-1. Empty for all.",
        neutral="", check=blocks_problem,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings(Settings):
    """How the adapter's weights are updated."""

    title = "Optimizer"

    optimizer: str = setting("adamw", "Optimizer. AdamW is the usual choice.", choices=OPTIMIZERS)
    learning_rate: float = setting(
        1e-4, "Peak learning rate of the denoiser. Too high ruins pictures, too low learns nothing. Usually 1e-4 with "
        "alpha equal to rank.",
        above=0, maximum=1000, step=1e-7,
    )  # fmt: skip
    text_encoder_learning_rate: float = setting(
        1e-5, "Peak learning rate of the text encoder, if it is trained. Usually lower than the denoiser's.", minimum=0,
        maximum=1000, step=1e-7, used=lambda now: now.recipe.adapter.train_text_encoder,
        unused="without train_text_encoder",
    )  # fmt: skip
    weight_decay: float = setting(
        0.01, "Shrinks the adapter's weights at each step, in proportion to the learning rate. Usually 0 to 0.1.",
        minimum=0, maximum=10, step=0.001,
    )  # fmt: skip
    max_grad_norm: float = setting(
        1.0, "Gradients are clipped to this norm. Usually 1; 0 turns clipping off.", minimum=0, maximum=1000, step=0.1,
        neutral=0.0,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ScheduleSettings(Settings):
    """How long to train, and how the learning rate changes."""

    title = "Schedule"

    steps: int = setting(
        1000, "Optimizer steps, usually about 1,000. With too many, the adapter memorizes its training pictures. "
        "Raising the number later continues the run if its schedule is constant.",
        minimum=1, maximum=1_000_000, keyed=False,
    )  # fmt: skip
    schedule: str = setting(
        "constant", "Learning-rate schedule after the warm-up: constant, or decaying to zero at the last step.",
        choices=SCHEDULES,
    )  # fmt: skip
    warmup_steps: int = setting(
        50, "Steps over which the learning rate rises to its peak; 0 for none.", minimum=0, maximum=1_000_000, neutral=0
    )
    epochs: float = setting(
        0.0, "How often to go through the data set, repeats included, instead of a number of steps; 0 to go by steps.",
        minimum=0, maximum=1_000_000, step=1, keyed=False,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BatchSettings(Settings):
    """What one step trains on."""

    title = "Batches"

    batch_size: int = setting(
        1, "Pictures per batch. Larger batches give smoother training and need more memory.", minimum=1, maximum=1024
    )
    gradient_accumulation: int = setting(
        1, "Batches accumulated before each optimizer step: a larger effective batch without more memory.", minimum=1,
        maximum=1024, neutral=1,
    )  # fmt: skip
    resolution: int = setting(
        0, "Pictures without buckets are resized and center-cropped to this side; 0 for the base model's resolution.",
        unit="pixels", minimum=0, maximum=8192, step=8, used=lambda now: not now.all_cropped,
        unused="where every picture has crops from buckets",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LossSettings(Settings):
    """How prediction errors are weighted."""

    title = "Loss"

    snr_gamma: float = setting(
        5.0, "Gamma of min-SNR loss weighting (arXiv:2303.09556). Usually 5; 0 turns it off. No effect on flow models.",
        minimum=0, maximum=1000, step=0.5, neutral=0.0, used=lambda now: not _is_flow(now),
        unused="on flow models",
    )  # fmt: skip
    training_guidance: float = setting(
        1.0, "Guidance that the base model is told while training, where it takes guidance as an input, as FLUX.1 dev "
        "does. Usually 1, whatever pictures are generated with later.",
        minimum=0, maximum=100, step=0.1, neutral=1.0, used=_is_told_guidance,
        unused="on base models that don't take guidance as an input, nor with contrastive_guidance",
    )  # fmt: skip
    contrastive_guidance: float = setting(
        1.0, "For base models that guidance was distilled into: targets are moved away from the prediction without a "
        "prompt by this factor, so that pictures keep their contrast. Usually 3 to 4 there, at 1.5 times the time; 1 "
        "turns it off.",
        minimum=1, maximum=100, step=0.5, neutral=1.0,
    )  # fmt: skip

    @property
    def told_guidance(self) -> float:
        """What base models are told that take guidance as an input: that of the targets, as in ai-toolkit."""
        return self.training_guidance if self.contrastive_guidance == 1 else self.contrastive_guidance


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
        choices=NOISE_SHIFTS, used=_is_flow, unused="on models other than flow models",
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


@dataclass(frozen=True, kw_only=True)
class PriorSettings(Settings):
    """Prior preservation with regularization pictures (DreamBooth, arXiv:2208.12242)."""

    title = "Prior preservation"

    prior_weight: float = setting(
        1.0, "Weight of the loss on regularization pictures (DreamBooth's lambda). Usually 1.", minimum=0, maximum=100,
        step=0.05, used=_has_prior, unused="without regularization pictures",
    )  # fmt: skip
    prior_batch_size: int = setting(
        1, "Regularization pictures per batch, in addition to batch_size.", minimum=1, maximum=1024, used=_has_prior,
        unused="without regularization pictures",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CaptionSettings(Settings):
    """How captions vary between steps."""

    title = "Captions"

    caption_dropout: float = setting(
        0.0, "Probability of dropping a caption, which keeps classifier-free guidance working. Usually 0 to 0.1.",
        minimum=0, maximum=1, step=0.01, neutral=0.0,
    )  # fmt: skip
    caption_shuffle: int = setting(
        0, "Number of random orders of each caption's tags; each is encoded once. Prose stays as it is. 0 keeps "
        "captions as written.",
        minimum=0, maximum=1000, used=_shuffles_captions, unused="below 2, as one order is the captions as written",
    )  # fmt: skip
    caption_keep: int = setting(
        1, "Tags at the start that caption_shuffle and tag_dropout leave in place, such as the trigger word. A ||| in "
        "a caption marks their end.",
        minimum=0, maximum=100, used=_changes_tags, unused="without caption_shuffle or tag_dropout",
    )  # fmt: skip
    tag_dropout: float = setting(
        0.0, "Probability of dropping each tag, so that none depends on the others. Tags with the trigger word stay. "
        "Usually 0 to 0.2.",
        minimum=0, maximum=1, step=0.01, neutral=0.0,
    )  # fmt: skip
    tag_separator: str = setting(
        "", "Where captions are split into tags, such as | or /. Empty: at commas of all scripts and line ends, and "
        "not in prose.",
        neutral="", used=_changes_tags, unused="without caption_shuffle or tag_dropout",
    )  # fmt: skip
    reference_dropout: float = setting(
        0.0, "Probability of hiding the picture before editing, for models that are guided by it. Half of the dropped "
        "captions lose it too. Usually 0.1 with a caption_dropout of 0.1 (arXiv:2211.09800), or 0 for both.",
        minimum=0, maximum=1, step=0.01, neutral=0.0, used=lambda now: now.drops_references,
        unused="without pairs, or on models that aren't guided by the picture",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SampleSettings(Settings):
    """Sample pictures during training. They don't affect the result."""

    title = "Samples"

    sample_every: int = setting(
        0, "Steps between sample pictures; 0 for none.", minimum=0, maximum=1_000_000, keyed=False
    )
    sample_prompts: tuple[str, ...] = setting((), "Prompts of the sample pictures, one per line.", keyed=False)


@dataclass(frozen=True, kw_only=True)
class SavingSettings(Settings):
    """What is saved during training. It doesn't affect the result."""

    title = "Saving"

    save_every: int = setting(
        100, "Steps between saves of the training state, in case of a crash. Canceling always saves the last step.",
        minimum=1, maximum=1_000_000, keyed=False,
    )  # fmt: skip
    snapshot_steps: tuple[int, ...] = setting(
        (), "Steps after which a snapshot of the adapter is saved, comma-separated.", minimum=1, maximum=1_000_000,
        keyed=False,
    )  # fmt: skip


def _blocks_problem(setting: str) -> str:
    return "" if setting in ("auto", "none", "all") or setting.isdigit() else "expected auto, none, all or a number"


@dataclass(frozen=True, kw_only=True)
class MemorySettings(Settings):
    """How a run fits into memory. It doesn't affect the result."""

    title = "Memory"

    checkpointing: str = setting(
        "auto", "Blocks of the denoiser whose activations are computed again in the backward pass, not kept: auto "
        "takes as few as the free memory needs; or none, all, or a number. All take about a third more time.",
        since="0.2", keyed=False, check=_blocks_problem,
    )  # fmt: skip
    streaming: str = setting(
        "auto", "Blocks whose frozen weights stay in the machine's memory and come to the GPU one after the other. It "
        "takes far more time than fewer bits do: auto only where nothing else fits; or none, all, or a number.",
        since="0.2", keyed=False, check=_blocks_problem,
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
    memory: MemorySettings = field(default_factory=MemorySettings)
    reason: str = ""
    """Why these values, for people."""

    @staticmethod
    def of(**settings: Any) -> Recipe:
        """A recipe with these settings, given by name regardless of group, and defaults for the others.

        Raises:
            ConfigError: with one line for each setting that is unknown or invalid.
        """
        return Recipe().changed(**settings)

    def changed(self, **settings: Any) -> Recipe:
        """This recipe with some settings changed.

        Raises:
            ConfigError: with one line for each setting that is unknown or invalid.
        """
        raise_all(problems_with(settings), "The recipe")
        changes = {}
        for group, cls in GROUPS.items():
            if given := {name: value for name, value in settings.items() if GROUP_OF[name] == group}:
                changes[group] = build(cls, vars(getattr(self, group)) | given, where=cls.title)
        return replace(self, **changes)

    def flat(self) -> dict[str, Any]:
        """Name -> value of each setting."""
        return {name: getattr(getattr(self, group), name) for name, group in GROUP_OF.items()}

    def learning_rates(self, steps: int) -> list[float]:
        """The denoiser's learning rate at each of the first ``steps`` steps."""
        schedule = self.schedule
        return [
            self.optimizer.learning_rate
            * learning_rate_factor(schedule.schedule, step, steps=schedule.steps, warmup_steps=schedule.warmup_steps)
            for step in range(steps)
        ]

    def starts_alike(self, steps: int, done: int) -> bool:
        """Whether a run to another number of steps has had the same learning rates in its first ``done`` steps."""
        return self.changed(steps=steps).learning_rates(done) == self.learning_rates(done)

    def keyed(self, circumstances: Circumstances) -> dict[str, Any]:
        """Name -> value of each setting that affects the trained weights, apart from ``steps``.

        Settings that are neutral or have no effect are left out, so that adding a setting changes no existing key.
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
"""Field of the recipe -> class of its settings."""

GROUP_OF: Mapping[str, str] = {name: group for group, cls in GROUPS.items() for name in settings_of(cls)}
"""Name of a setting, unique across groups -> field of the recipe."""


def problems_with(settings: Mapping[str, Any]) -> list[str]:
    """One line for each setting that is unknown or invalid, whatever its group."""
    problems = []
    for name, value in settings.items():
        if name in GROUP_OF:
            problems += problems_of(GROUPS[GROUP_OF[name]], {name: value})
        else:
            problems.append(unknown_setting(name, GROUP_OF, "the recipe"))
    return problems

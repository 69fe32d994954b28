"""Settings of the optimizer, of learning rates over time, and of batches."""

from __future__ import annotations

from dataclasses import dataclass

from ...core.fields import Settings, setting
from ..optimizers import OPTIMIZERS
from ..schedules import SCHEDULES


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

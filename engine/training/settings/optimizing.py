"""Settings of the optimizer, of learning rates over time, and of batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ...core.fields import Settings, raise_all, setting
from ..optimizers import OPTIMIZERS
from ..schedules import SCHEDULES, Shape, learning_rate_factor

RATE_SEARCHES = ("none", "range_test")
EMA_IN = ("files_and_samples", "files", "samples")


@dataclass(frozen=True, kw_only=True)
class OptimizerSettings(Settings):
    """How the adapter's weights are updated."""

    title = "Optimizer"

    optimizer: str = setting("adamw", "Optimizer. AdamW is the usual choice.", choices=OPTIMIZERS)
    learning_rate: float = setting(
        1e-4, "Peak learning rate of the denoiser. Too high ruins pictures, too low learns nothing. Usually 1e-4 with "
        "alpha equal to rank. Written as auto, it is searched for (rate_search).",
        above=0, maximum=1000, step=1e-7, words={"auto": {"rate_search": "range_test"}},
        used=lambda now: now.recipe.optimizer.rate_search == "none" or now.recipe.adapter.train_text_encoder,
        unused="where rate_search finds it and the text encoder isn't trained",
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
    optimizer_settings: tuple[str, ...] = setting(
        (), "Further arguments of the optimizer, one per line, for example betas = 0.9, 0.99.", neutral=(), since="0.2"
    )
    lora_plus_ratio: float = setting(
        1.0, "LoRA+: how many times faster B, the factor that begins at zero, learns than A. 1 for LoRA; the paper "
        "uses 16 with a lower learning rate.",
        minimum=1, maximum=1000, step=1, neutral=1.0, since="0.2",
        used=lambda now: now.recipe.adapter.kind in ("lora", "dora") and now.recipe.optimizer.optimizer != "prodigy",
        unused="unless the kind is lora or dora, and the optimizer isn't prodigy, which has one rate",
    )  # fmt: skip
    ema_decay: float = setting(
        0.0, "Share that a moving average (EMA) of the weights keeps at each step, after a warm-up. The average is "
        "smoother than the last weights, and takes the room of one more copy. Usually 0.99 to 0.9999; 0 turns it off.",
        minimum=0, maximum=0.999999, step=0.0001, neutral=0.0, since="0.2",
    )  # fmt: skip
    ema_in: str = setting(
        "files_and_samples", "Where the moving average takes the place of the last weights: files with snapshots, "
        "sample pictures, or both.",
        choices=EMA_IN, neutral="files_and_samples", since="0.2", used=lambda now: now.recipe.optimizer.ema_decay > 0,
        unused="without ema_decay",
    )  # fmt: skip
    rate_search: str = setting(
        "none", "How the learning rate is found: none takes the number; range_test trains 80 steps at rising rates on "
        "your pictures and takes a third of the rate at the lowest loss. The text encoder's keeps its proportion.",
        choices=RATE_SEARCHES, neutral="none", since="0.2",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        raise_all([*self._contradictions()], self.title)

    def _contradictions(self) -> Iterator[str]:
        if self.ema_decay and self.optimizer == "schedule_free_adamw":
            yield (
                f"ema_decay: got {self.ema_decay:g} with schedule_free_adamw, which averages the weights by itself; "
                "set ema_decay to 0, or choose another optimizer"
            )
        if self.rate_search != "none" and self.optimizer == "prodigy":
            yield (
                f"rate_search: got {self.rate_search} (learning_rate = auto) with prodigy, which finds the rate by "
                "itself and multiplies it by learning_rate; set learning_rate to 1, or choose another optimizer"
            )


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
        "constant", "Learning-rate schedule after the warm-up: constant, or decaying to zero at the last step: "
        "stable_decay only near the end, rex late, cosine_restarts several times.",
        choices=SCHEDULES,
    )  # fmt: skip
    warmup_steps: int = setting(
        50, "Steps over which the learning rate rises to its peak; 0 for none.", minimum=0, maximum=1_000_000, neutral=0
    )
    epochs: float = setting(
        0.0, "How often to go through the data set, repeats included, instead of a number of steps; 0 to go by steps.",
        minimum=0, maximum=1_000_000, step=1, keyed=False,
    )  # fmt: skip
    schedule_cycles: int = setting(
        1, "Cosines of the schedule cosine_restarts, each of which begins at the peak.", minimum=1, maximum=1000,
        since="0.2", neutral=1, used=lambda now: now.recipe.schedule.schedule == "cosine_restarts",
        unused="unless the schedule is cosine_restarts",
    )  # fmt: skip
    decay_share: float = setting(
        0.2, "Share of the steps, at the end, over which the schedule stable_decay comes down.", above=0, maximum=1,
        step=0.05, since="0.2", used=lambda now: now.recipe.schedule.schedule == "stable_decay",
        unused="unless the schedule is stable_decay",
    )  # fmt: skip
    minimum_rate: float = setting(
        0.0, "What the schedule comes down to, as a share of the peak learning rate.", minimum=0, maximum=1, step=0.05,
        since="0.2", neutral=0.0, used=lambda now: now.recipe.schedule.schedule != "constant",
        unused="with a constant schedule",
    )  # fmt: skip

    def factor(self, step: int) -> float:
        """Factor of the learning rates at a step, from 0."""
        shape = Shape(cycles=self.schedule_cycles, decay_share=self.decay_share, minimum=self.minimum_rate)
        return learning_rate_factor(self.schedule, step, steps=self.steps, warmup_steps=self.warmup_steps, shape=shape)


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

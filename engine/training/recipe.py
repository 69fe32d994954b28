"""The recipe: every setting of a run in one dataclass, and what to suggest for a given data set."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ..core.errors import ConfigError
from ..core.fields import one_of, positive, raise_all
from ..data.goals import USUAL, Goal

SCHEDULES = ("constant", "linear", "cosine")
TARGETS = ("attention", "attention_and_feed_forward", "all_layers")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train. The run's key covers every field but those of ``UNKEYED``."""

    steps: int = 1000
    """Optimizer steps. About 1,000 on a full-size base; too many and it only repeats its training pictures."""
    learning_rate: float = 1e-4
    text_encoder_learning_rate: float = 1e-5
    train_text_encoder: bool = False
    rank: int = 16
    """Inner dimension of the update, usually 4 to 64."""
    alpha: float = 16.0
    """The update is alpha / rank * B A; alpha = rank makes learning rates portable between ranks."""
    targets: str = "attention"
    """Preset of the modules to adapt: ``attention``, ``attention_and_feed_forward`` or ``all_layers``."""
    batch_size: int = 1
    gradient_accumulation: int = 1
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm; 0 leaves them."""
    warmup_steps: int = 50
    schedule: str = "constant"
    """Learning rate after the warm-up: ``constant``, ``linear`` or ``cosine`` down to zero at ``steps``."""
    weight_decay: float = 0.01
    snr_gamma: float = 5.0
    """Min-SNR weighting (arXiv:2303.09556); 0 switches it off."""
    prior_weight: float = 1.0
    """Weight of the loss on regularization pictures (DreamBooth's lambda, arXiv:2208.12242, eq. 2)."""
    prior_batch_size: int = 1
    """Regularization pictures in each batch, beside ``batch_size``; unused without a regularization set."""
    caption_dropout: float = 0.0
    """Share of captions replaced by the empty one."""
    caption_shuffle: int = 0
    """Orders of each caption's tags that steps choose from, each encoded once; below 2 captions stay as written."""
    caption_keep: int = 1
    """Tags at the beginning of captions that stay in their places when the others are shuffled."""
    resolution: int = 0
    """Side in pixels that pictures are scaled and center-cropped to; 0 takes the base model's own."""
    sample_every: int = 0
    """Steps between sample pictures; 0 draws none."""
    sample_prompts: tuple[str, ...] = ()
    save_every: int = 100
    """Steps between resume bundles."""
    reason: str = ""
    """Why these values, for people."""

    def __post_init__(self) -> None:
        problems: list[str] = []
        positive(
            problems,
            self,
            "steps",
            "learning_rate",
            "rank",
            "alpha",
            "batch_size",
            "gradient_accumulation",
            "prior_batch_size",
            "save_every",
        )
        positive(
            problems,
            self,
            "text_encoder_learning_rate",
            "max_grad_norm",
            "warmup_steps",
            "weight_decay",
            "snr_gamma",
            "prior_weight",
            "caption_dropout",
            "caption_shuffle",
            "caption_keep",
            "resolution",
            "sample_every",
            zero=True,
        )
        one_of(problems, self, "schedule", SCHEDULES)
        one_of(problems, self, "targets", TARGETS)
        if self.caption_dropout > 1:
            problems.append(f"caption_dropout: got {self.caption_dropout!r}, expected a share from 0 to 1")
        raise_all(problems, "recipe")

    def keyed(self) -> dict[str, Any]:
        """The settings that decide about the trained weights, but for ``steps``.

        Settings that came later count only where they are used, so that runs made before keep their keys.
        """
        settings = {name: value for name, value in asdict(self).items() if name not in (*UNKEYED, "steps")}
        if self.caption_shuffle < 2:
            del settings["caption_shuffle"], settings["caption_keep"]
        return settings

    def learning_rate_at(self, step: int) -> float:
        """Factor of the learning rates at a step (from 0): linear warm-up, then the schedule."""
        import math

        warmup = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        left = max(0.0, 1.0 - step / self.steps)
        decay = {"constant": 1.0, "linear": left, "cosine": 0.5 * (1 + math.cos(math.pi * (1 - left)))}[self.schedule]
        return warmup * decay


UNKEYED = ("reason", "save_every", "sample_every", "sample_prompts")
"""Fields that don't change the trained weights, so a run's key leaves them out."""


MINIATURE = 256
"""Base models trained on pictures below this side, in pixels, are miniatures with rates of their own."""


def suggest(goal: Goal, pictures: int, *, resolution: int = 512) -> Recipe:
    """A recipe for so many pictures of a subject, a style or a product, with the reason in words.

    Args:
        goal: what the adapter should teach.
        pictures: pictures in the data set.
        resolution: side that the base model was trained on, in pixels.

    Raises:
        ConfigError: the goal isn't one of the three, or there is no picture.
    """
    if goal not in USUAL or pictures < 1:
        raise ConfigError(
            f"No recipe for goal {goal!r} with {pictures} pictures.",
            expected="goal subject, style or product, and at least one picture",
            hint="choose a goal and connect a data set.",
        )
    recipe = _miniature(resolution) if resolution < MINIATURE else _full_size(goal, pictures, resolution)
    fewest, most = USUAL[goal]
    count = f"{pictures} pictures of a {goal}; {fewest} to {most} are usual."
    if pictures < fewest:
        count += " So few are soon learned by heart: look at samples early, and add pictures if you can."
    return replace(recipe, reason=f"{count} {recipe.reason}")


def _full_size(goal: Goal, pictures: int, resolution: int) -> Recipe:
    """A style needs more capacity than a subject, and fewer views of each of its more numerous pictures."""
    rank = 32 if goal == "style" else 16
    steps = min(2000, max(600, pictures * (15 if goal == "style" else 60)))
    return Recipe(
        steps=round(steps, -1),
        rank=rank,
        alpha=float(rank),
        targets="attention_and_feed_forward" if goal == "style" else "attention",
        resolution=resolution,
        reason=f"{steps} steps at 1e-4 and rank {rank}: {steps / pictures:.0f} views of each picture.",
    )


def _miniature(resolution: int) -> Recipe:
    """What was measured to work on the demo base: a tiny model takes, and needs, far larger steps."""
    return Recipe(
        steps=400,
        learning_rate=3e-3,
        text_encoder_learning_rate=1e-3,
        train_text_encoder=True,
        rank=16,
        alpha=16.0,
        targets="attention_and_feed_forward",
        batch_size=8,
        prior_batch_size=4,
        prior_weight=0.5,
        snr_gamma=0.0,  # min-SNR all but skips the noisiest steps, which decide what a tiny picture shows
        warmup_steps=10,
        schedule="cosine",
        resolution=resolution,
        reason=f"A miniature base of {resolution} px: a high rate, few steps, and its text encoder too.",
    )

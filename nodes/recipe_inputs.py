"""The inputs of LW_Recipe that override what it suggests."""

from __future__ import annotations

from ..engine.training.recipe import SCHEDULES, TARGETS
from .host import io
from .inputs import ADVANCED

SUGGESTED = "suggested"
AS_SUGGESTED = (-1, SUGGESTED, "")
"""Values that leave a setting to the suggestion. Nothing else is refused here: the recipe itself says what is wrong."""


def override_inputs() -> list[io.Input]:
    """One for each setting; their ids are the names of the recipe's fields."""
    return [
        _count("steps", "Optimizer steps. Raising them later continues the training.", most=1_000_000),
        _number("learning_rate", "How far each step goes. Too high gives broken pictures, too low learns nothing."),
        _count(
            "rank", "Inner dimension of the adapter, usually 4 to 64: its capacity, and the size of its file.", 1024
        ),
        _number(
            "alpha", "The update is scaled by alpha / rank. Left alone, it follows a rank chosen by hand.", step=0.5
        ),
        _count("batch_size", "Pictures in each step. More are steadier and need more memory.", 1024),
        _choice("targets", TARGETS, "Which layers to adapt. Feed-forward layers beside attention suit styles."),
        _choice("schedule", SCHEDULES, "Course of the learning rate after the warm-up.", advanced=True),
        _choice(
            "train_text_encoder",
            ("yes", "no"),
            "Adapt the text encoder too. Rarely needed; slower, as captions can't be encoded beforehand.",
            advanced=True,
        ),
        _number("text_encoder_learning_rate", "Learning rate of the text encoder, where it is trained.", advanced=True),
        _count(
            "gradient_accumulation",
            "Batches that are added up before each step: a larger batch without more memory.",
            1024,
            advanced=True,
        ),
        _count("warmup_steps", "Steps over which the learning rate rises to its value.", 100_000, advanced=True),
        _number(
            "prior_weight",
            "Weight of the regularization pictures' loss; without such pictures it has no effect.",
            step=0.05,
            most=100.0,
            advanced=True,
        ),
        _number(
            "snr_gamma", "Min-SNR weighting of the noise levels, usually 5; 0 switches it off.", step=0.5, advanced=True
        ),
        _number(
            "caption_dropout",
            "Share of captions, 0 to 1, that are left empty while training.",
            step=0.01,
            most=1.0,
            advanced=True,
        ),
        _count("sample_every", "Steps between sample pictures; 0 draws none.", 100_000, advanced=True),
        io.String.Input(
            "sample_prompts",
            default="",
            multiline=True,
            optional=True,
            tooltip="Prompts of the sample pictures that are drawn while training, one a line. Empty: no samples.",
            extra_dict=ADVANCED,
        ),
        _count(
            "save_every",
            "Steps between resume points on the disk. An interrupted training keeps its last step anyway; this is for "
            "crashes.",
            100_000,
            advanced=True,
        ),
        _count(
            "caption_shuffle",
            "Orders of each caption's tags, the parts between commas, that steps choose from; 0 leaves captions as "
            "they are written.",
            1000,
            advanced=True,
        ),
        _count(
            "caption_keep",
            "Tags at the beginning that caption_shuffle leaves in their places: the trigger word should be among them.",
            100,
            advanced=True,
        ),
    ]


def _count(name: str, tooltip: str, most: int, *, advanced: bool = False) -> io.Input:
    return io.Int.Input(
        name, default=-1, min=-1, max=most, optional=True, tooltip=f"{tooltip} -1: as suggested.",
        extra_dict=ADVANCED if advanced else None,
    )  # fmt: skip


def _number(name: str, tooltip: str, *, step: float = 1e-7, most: float = 1000.0, advanced: bool = False) -> io.Input:
    return io.Float.Input(
        name, default=-1.0, min=-1.0, max=most, step=step, optional=True, tooltip=f"{tooltip} -1: as suggested.",
        extra_dict=ADVANCED if advanced else None,
    )  # fmt: skip


def _choice(name: str, options: tuple[str, ...], tooltip: str, *, advanced: bool = False) -> io.Input:
    return io.Combo.Input(
        name, options=[SUGGESTED, *options], default=SUGGESTED, optional=True, tooltip=tooltip,
        extra_dict=ADVANCED if advanced else None,
    )  # fmt: skip

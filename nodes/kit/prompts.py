"""The inputs of nodes that generate pictures."""

from __future__ import annotations

from ..host import io
from . import sockets
from .inputs import LARGEST_SEED


def prompt_inputs() -> list[io.Input]:
    """The inputs that drawing nodes share."""
    return [
        sockets.Base.Input("base", tooltip="The base model to draw with; it stays as it is."),
        io.String.Input(
            "prompts",
            default="",
            multiline=True,
            tooltip="What to draw, one prompt a line. Name an adapter's trigger phrase to call what it has learned.",
        ),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=LARGEST_SEED,
            control_after_generate=True,
            tooltip="Of the noise that pictures start from: the same seed gives the same picture.",
        ),
        io.Int.Input(
            "seeds_per_prompt",
            default=1,
            min=1,
            max=1024,
            tooltip="Pictures of each prompt, from this seed and the ones after it.",
        ),
        io.Int.Input("steps", default=25, min=1, max=1000, tooltip="Denoising steps; 20 to 30 are usual."),
        io.Float.Input(
            "guidance",
            default=7.0,
            min=0.0,
            max=100.0,
            step=0.1,
            tooltip="How closely to follow the prompt. 1 switches it off and is twice as fast; about 7 is usual, 3 for "
            "the demo base.",
        ),
    ]

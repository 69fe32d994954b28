"""What the nodes that generate pictures share."""

from __future__ import annotations

from ..host import io
from . import sockets
from .inputs import LARGEST_SEED


def generation_inputs() -> list[io.Input]:
    return [
        sockets.Base.Input("base", tooltip="Base model to generate with."),
        io.String.Input(
            "prompts",
            default="",
            multiline=True,
            tooltip="One prompt per line. Include an adapter's trigger phrase to use what it learned.",
        ),
        io.Int.Input(
            "seed",
            default=0,
            min=0,
            max=LARGEST_SEED,
            control_after_generate=True,
            tooltip="Seed of the initial noise. The same seed gives the same picture.",
        ),
        io.Int.Input(
            "seeds_per_prompt",
            default=1,
            min=1,
            max=1024,
            tooltip="Pictures per prompt, with consecutive seeds starting at seed.",
        ),
        io.Int.Input("steps", default=25, min=1, max=1000, tooltip="Denoising steps; usually 20 to 30."),
        io.Float.Input(
            "guidance",
            default=7.0,
            min=0.0,
            max=100.0,
            step=0.1,
            tooltip="How closely to follow the prompt (CFG); usually about 7, for the demo base 3. 1 turns it off and "
            "takes half the time.",
        ),
    ]


def seeds(first: int, count: int) -> tuple[int, ...]:
    """Consecutive seeds; after the largest comes 0."""
    return tuple((first + number) % (LARGEST_SEED + 1) for number in range(count))

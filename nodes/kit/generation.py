"""What the nodes that generate pictures share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..host import io
from . import sockets
from .inputs import ADVANCED, LARGEST_SEED
from .pictures import to_pictures

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from ...engine.data.dataset import Dataset
    from ...engine.models.contract import Backbone

DEFAULT_REFERENCE_GUIDANCE = 1.5


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


def negative_prompt_input() -> io.Input:
    return io.String.Input(
        "negative_prompt",
        default="",
        multiline=True,
        tooltip="What to avoid, for all pictures. Needs a guidance above 1.",
    )


def sides(default: int = 0) -> list[io.Input]:
    """Width and height of pictures; 0 stands for the base model's resolution where it is the default."""
    known = "" if default else " 0: the base model's resolution."
    return [
        io.Int.Input(
            name,
            default=default,
            min=8 if default else 0,
            max=8192,
            step=8,
            tooltip=f"Picture {name} in pixels.{known}",
        )
        for name in ("width", "height")
    ]


def reference_inputs() -> list[io.Input]:
    """The inputs of base models that edit pictures."""
    return [
        io.MultiType.Input(
            "reference",
            types=[io.Image, sockets.Dataset],
            optional=True,
            tooltip="Pictures to edit, for edit models, or a data set of them; each prompt is used with each.",
        ),
        io.Float.Input(
            "reference_guidance",
            default=DEFAULT_REFERENCE_GUIDANCE,
            min=0.0,
            max=100.0,
            step=0.1,
            optional=True,
            tooltip="How closely to keep to the reference, for InstructPix2Pix; usually 1 to 2. 1 turns it off, and "
            "takes a third less time.",
            extra_dict=ADVANCED,
        ),
    ]


def pictures_to_edit(reference: Tensor | Dataset | None) -> tuple[Image, ...]:
    """The pictures of a batch of images, or of a data set: of its records, in their order, as a whole.

    Raises:
        DatasetError: a picture of the data set is damaged, missing or has changed since it was read.
    """
    from ...engine.data.dataset import Dataset

    if reference is None:
        return ()
    return (
        tuple(record.load() for record in reference)
        if isinstance(reference, Dataset)
        else tuple(to_pictures(reference))
    )


def reference_remarks(base: Backbone, references: Sequence[Image], reference_guidance: float) -> list[str]:
    """What a person should know of the pictures to edit, one sentence each."""
    name, able = base.info.name, "reference_guidance" in base.info.capabilities
    if able and not references:
        return [f"{name} edits pictures, and reference isn't connected: it draws as if it had been shown a blank one."]
    if references and not able and reference_guidance != DEFAULT_REFERENCE_GUIDANCE:
        return [f"reference_guidance has no effect: {name} isn't guided by the picture apart from the prompt."]
    return []


def seeds(first: int, count: int) -> tuple[int, ...]:
    """Consecutive seeds; after the largest comes 0."""
    return tuple((first + number) % (LARGEST_SEED + 1) for number in range(count))

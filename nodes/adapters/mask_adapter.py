"""The node *Mask Adapter*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import io
from ..kit import sockets
from ..kit.adapters import triggers_output
from ..kit.inputs import numbers
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.adapters.stack import Stack

LEFT_HALF = "0, 0, 0.5, 1"


class MaskAdapter(io.ComfyNode):
    """Let an adapter count in a part of the picture only."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_MaskAdapter",
            display_name="Mask Adapter",
            category=CATEGORY,
            description="Lets one adapter of a stack count in a part of the picture only: two subjects side by side "
            "that don't become one. The text-encoder part counts everywhere.",
            inputs=[
                sockets.Stack.Input("stack", tooltip="Stack that has the adapter, from Stack Adapters."),
                io.String.Input(
                    "adapter",
                    default="",
                    tooltip="Which one: its name, or its number in the stack, counted from 1. Empty: the last.",
                ),
                io.String.Input(
                    "box",
                    default=LEFT_HALF,
                    tooltip="Left, top, width and height of the part, as shares of the picture's sides: 0, 0, 0.5, 1 "
                    "is the left half. Not used with a mask.",
                ),
                io.Mask.Input("mask", optional=True, tooltip="The part as a mask, of any size and shape of picture."),
            ],
            outputs=[
                sockets.Stack.Output("stack", tooltip="The stack with the mask, for Generate and Apply Stack."),
                triggers_output(),
            ],
        )

    @classmethod
    def execute(cls, stack: Stack, adapter: str, box: str, mask: Tensor | None = None) -> io.NodeOutput:
        from ...engine.adapters.masks import box_mask, mask_of

        made = box_mask(numbers(box)) if mask is None else mask_of(mask)
        index = stack.index_of(adapter)
        masked = stack.with_mask(index, made)
        entry = masked.entries[index]
        off = "" if entry.active else "; it is off"
        unused = "" if mask is None or box == LEFT_HALF else f"\nNot used, as there is a mask: box {box}."
        text = f"{entry.adapter.name}: on {made.values.mean().item():.0%} of the picture{off}{unused}"
        tell(text)
        return io.NodeOutput(masked, ", ".join(masked.triggers()), ui=shown(text=text))

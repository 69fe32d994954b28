"""The node *Combine Adapters*."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.adapters import triggers_output
from ..kit.inputs import unused_inputs
from ..kit.shown import shown, tell
from ..kit.stacks import stack_inputs, whole_stack
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.combining import Combined
    from ...engine.adapters.stack import Stack
    from ...engine.models.contract import Backbone

READS: Mapping[str, tuple[str, ...]] = {
    "effective total": ("amount",),
    "total weight": ("amount",),
    "make way": ("strength", "protect"),
    "sum": (),
}
"""Mode -> the inputs that it reads."""
DEFAULTS: Mapping[str, Any] = {"amount": 1.6, "strength": 0.5, "protect": ""}


class CombineAdapters(io.ComfyNode):
    """Combine the adapters of a stack in another way than by their plain sum."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_CombineAdapters",
            display_name="Combine Adapters",
            category=CATEGORY,
            description="Combines the adapters of a stack: scaled to what they should amount to together, or with some "
            "that make way for others.",
            inputs=[
                *stack_inputs(),
                io.Combo.Input(
                    "mode",
                    options=[*READS],
                    default="effective total",
                    tooltip="effective total: all weights are scaled, so that the measured sum of the changes is "
                    "amount. total weight: so that the weights add up to amount. make way: the others leave out what "
                    "the protected adapters answer to (NP-LoRA). sum: as they are.",
                ),
                io.Float.Input(
                    "amount",
                    default=DEFAULTS["amount"],
                    min=0.0,
                    max=20.0,
                    step=0.05,
                    tooltip="For effective total and total weight: what the adapters should amount to. 1 is one "
                    "adapter as trained; a subject in a style comes out best at about 1.6, and above 2 pictures break.",
                ),
                io.Float.Input(
                    "strength",
                    default=DEFAULTS["strength"],
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="For make way: 1 leaves out all of it, 0 is the plain sum.",
                ),
                io.String.Input(
                    "protect",
                    default="",
                    tooltip="For make way: names of the adapters that stay as they are, comma-separated, such as the "
                    "style. Empty: the last one of the stack.",
                ),
                sockets.Base.Input(
                    "base", optional=True, tooltip="The base model that they are for, so that DoRA and OFT count too."
                ),
            ],
            outputs=[
                sockets.Stack.Output("stack", tooltip="A stack whose plain sum is the combination."),
                triggers_output(),
                io.String.Output("report", tooltip="What became of the weights."),
            ],
        )

    @classmethod
    def execute(
        cls,
        mode: str,
        amount: float,
        strength: float,
        protect: str,
        stack: Stack | None = None,
        lora_stack: Any = None,
        base: Backbone | None = None,
    ) -> io.NodeOutput:
        whole = whole_stack(stack, lora_stack)
        with host().computing():
            combined = _combined(whole, mode, amount, strength, protect, base)
        given = {"amount": amount, "strength": strength, "protect": protect.strip()}
        unused = unused_inputs(given, DEFAULTS, READS[mode], f"the mode is {mode}")
        weights = [f"{e.adapter.name} {e.weight:.3g}, text encoder {e.text_encoder_weight:.3g}" for e in
                   combined.stack.active()]  # fmt: skip
        text = "\n".join([*weights, *combined.notes, *([unused] if unused else [])])
        tell(text)
        return io.NodeOutput(combined.stack, ", ".join(combined.stack.triggers()), text, ui=shown(text=text))


def _combined(stack: Stack, mode: str, amount: float, strength: float, protect: str, base: Backbone | None) -> Combined:
    from ...engine.adapters import combining
    from ...engine.core.words import between_commas

    if mode == "make way":
        return combining.making_way(stack, between_commas(protect), strength=strength, base=base)
    if mode == "total weight":
        return combining.Combined(combining.with_total(stack, amount))
    if mode == "effective total":
        return combining.Combined(combining.with_effective_total(stack, amount, base=base))
    return combining.Combined(stack)

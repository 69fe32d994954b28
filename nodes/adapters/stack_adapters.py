"""The node *Stack Adapters*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import io
from ..kit import sockets
from ..kit.adapters import adapter_input, as_adapter, saved_adapters, triggers_output
from ..kit.lora_stacks import as_stack, linked, named, named_later
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.adapter import Adapter
    from ...engine.adapters.stack import Stack
    from ..kit.adapters import LoraModel


class StackAdapters(io.ComfyNode):
    """Add an adapter to a stack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_StackAdapters",
            display_name="Stack Adapters",
            category=CATEGORY,
            description="Adds an adapter with its weights to a stack. Chain these nodes to combine adapters.",
            inputs=[
                adapter_input("Adapter to add; a LORA_MODEL works too."),
                _weight("weight", "Strength of the adapter: 0 is off, 1 is as trained."),
                _weight("text_encoder_weight", "Strength of the adapter's text encoder part, if it has one."),
                io.Boolean.Input(
                    "enabled", default=True, tooltip="Turn off to disable the adapter without removing the node."
                ),
                sockets.Stack.Input("stack", optional=True, tooltip="Stack to add to; leave empty to start a new one."),
                sockets.LoraStack.Input(
                    "lora_stack", optional=True, tooltip="LoRA files stacked by another extension; added first."
                ),
            ],
            outputs=[
                sockets.Stack.Output("stack", tooltip="The stack with this adapter added at the end."),
                triggers_output(),
                sockets.LoraStack.Output(
                    "lora_stack",
                    tooltip="The stack as file names, for other extensions. If connected, adapters without a file in "
                    "the LoRA folders are saved there.",
                ),
            ],
            hidden=[io.Hidden.unique_id, io.Hidden.prompt],
        )

    @classmethod
    def execute(
        cls,
        adapter: Adapter | LoraModel,
        weight: float,
        text_encoder_weight: float,
        enabled: bool,
        stack: Stack | None = None,
        lora_stack: Any = None,
    ) -> io.NodeOutput:
        from ...engine.adapters.stack import Stack, StackEntry
        from ...engine.adapters.stack_report import warnings

        below = as_stack(lora_stack)
        entry = StackEntry(as_adapter(adapter), weight, text_encoder_weight, enabled)
        extended = Stack((*below.entries, *(stack or Stack()).entries, entry))
        names, files = named(extended) if linked(cls, "lora_stack") else (named_later(extended), [])
        text = "\n".join([*warnings(extended), *(f"saved for lora_stack: {file}" for file in files)])
        tell(text)
        return io.NodeOutput(
            extended, ", ".join(extended.triggers()), names, ui={**shown(text=text), **saved_adapters(files)}
        )


def _weight(name: str, tooltip: str) -> io.Input:
    return io.Float.Input(
        name,
        default=1.0,
        min=-10.0,
        max=10.0,
        step=0.05,
        tooltip=f"{tooltip} Usually 0.5 to 1; negative weights invert the effect.",
    )

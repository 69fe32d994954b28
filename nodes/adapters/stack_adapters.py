"""The node that puts adapters on a stack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ..host import io
from ..kit import sockets
from ..kit.lora_stacks import as_stack, linked, named, named_later
from ..kit.shown import shown, tell

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.adapters.adapter import Adapter
    from ...engine.adapters.stack import Stack

    LoraModel: TypeAlias = Mapping[str, Tensor]
from ..kit.adapters import adapter_input, as_adapter, saved_adapters
from . import CATEGORY


class StackAdapters(io.ComfyNode):
    """One more adapter on a stack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_StackAdapters",
            display_name="Stack Adapters",
            category=CATEGORY,
            description="Puts an adapter with its weights on a stack. Chain several of these for several adapters.",
            inputs=[
                adapter_input("The adapter to put on the stack."),
                _weight("weight", "How strongly the adapter changes the pictures: 0 not at all, 1 as trained."),
                _weight(
                    "text_encoder_weight",
                    "The same for the adapter's text-encoder part; without effect where it has none.",
                ),
                io.Boolean.Input(
                    "enabled", default=True, tooltip="Switch the adapter off without taking the node out of the graph."
                ),
                sockets.Stack.Input("stack", optional=True, tooltip="The stack to add to; empty begins a new one."),
                sockets.LoraStack.Input(
                    "lora_stack", optional=True, tooltip="Files that another extension has stacked; they go below."
                ),
            ],
            outputs=[
                sockets.Stack.Output("stack", tooltip="The stack with this adapter at its end."),
                io.String.Output("triggers", tooltip="Trigger phrases of all adapters that are on, joined by commas."),
                sockets.LoraStack.Output(
                    "lora_stack",
                    tooltip="The same for other extensions, as names of files. If this is linked, adapters that aren't "
                    "files in the LoRA folders yet are saved there.",
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

        below = as_stack(lora_stack)
        entry = StackEntry(as_adapter(adapter), weight, text_encoder_weight, enabled)
        extended = Stack((*below.entries, *(stack or Stack()).entries, entry))
        names, files = named(extended) if linked(cls, "lora_stack") else (named_later(extended), [])
        text = "\n".join([*extended.warnings(), *(f"saved for lora_stack: {file}" for file in files)])
        tell(text)
        return io.NodeOutput(
            extended, ", ".join(extended.triggers()), names, ui={**shown(text=text), **saved_adapters(files)}
        )


def _weight(name: str, tooltip: str) -> io.Input:
    return io.Float.Input(
        name, default=1.0, min=-10.0, max=10.0, step=0.05,
        tooltip=f"{tooltip} Usual are 0.5 to 1; negative ones push the other way.",
    )  # fmt: skip

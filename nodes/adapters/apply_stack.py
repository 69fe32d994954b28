"""The node that puts a stack on a model of ComfyUI's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ..host import host, io
from ..kit import sockets
from ..kit.lora_stacks import contents
from ..kit.shown import shown, tell

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.adapters.stack import Stack

    LoraModel: TypeAlias = Mapping[str, Tensor]
from . import CATEGORY


class ApplyStack(io.ComfyNode):
    """Adapters on a model that ComfyUI has loaded."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_ApplyStack",
            display_name="Apply Stack",
            category=CATEGORY,
            description="Puts a stack of adapters on a model that ComfyUI has loaded, for KSampler and other nodes. "
            "Each weight is computed once, however many adapters there are, and each file is read once.",
            inputs=[
                io.Model.Input("model", tooltip="The diffusion model; it stays as it is."),
                io.Clip.Input(
                    "clip", optional=True, tooltip="The text encoder, for adapters that change it; it stays as it is."
                ),
                sockets.Stack.Input("stack", optional=True, tooltip="Adapters with weights, from Stack Adapters."),
                sockets.LoraStack.Input(
                    "lora_stack",
                    optional=True,
                    tooltip="Files with weights, from another extension; DoRA, LoHa, LoKr and OFT are fine here too.",
                ),
            ],
            outputs=[
                io.Model.Output("model", tooltip="The model with all adapters."),
                io.Clip.Output("clip", tooltip="The text encoder with all adapters; nothing if none came in."),
                io.String.Output("triggers", tooltip="Trigger phrases of all adapters that are on, joined by commas."),
            ],
        )

    @classmethod
    def execute(cls, model: Any, clip: Any = None, stack: Stack | None = None, lora_stack: Any = None) -> io.NodeOutput:
        from ...engine.adapters.stack import Stack

        native = host().native()
        with host().computing():
            below, others = contents(lora_stack)
            whole = Stack((*below.entries, *(stack or Stack()).entries))
            model, clip, report = native.with_stack(model, clip, whole, others)
        triggers = dict.fromkeys([*whole.triggers(), *(other.file.trigger for other in others if other.file.trigger)])
        text = "\n".join([report.summary(), *whole.warnings(), *report.warnings])
        tell(text)
        return io.NodeOutput(model, clip, ", ".join(triggers), ui=shown(text=text))

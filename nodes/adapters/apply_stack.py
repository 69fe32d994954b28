"""The node *Apply Stack*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.adapters import triggers_output
from ..kit.lora_stacks import contents
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack


class ApplyStack(io.ComfyNode):
    """Apply adapters to a model loaded by ComfyUI."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_ApplyStack",
            display_name="Apply Stack",
            category=CATEGORY,
            description="Applies a stack of adapters to a model loaded by ComfyUI, for KSampler and other nodes. Each "
            "weight is patched once, however many adapters there are, and each file is read once.",
            inputs=[
                io.Model.Input("model", tooltip="Diffusion model to apply the adapters to."),
                io.Clip.Input("clip", optional=True, tooltip="Text encoder, for adapters that change it."),
                sockets.Stack.Input("stack", optional=True, tooltip="Adapters with weights, from Stack Adapters."),
                sockets.LoraStack.Input(
                    "lora_stack",
                    optional=True,
                    tooltip="Adapter files stacked by another extension.",
                ),
            ],
            outputs=[
                io.Model.Output("model", tooltip="The model with all adapters applied."),
                io.Clip.Output("clip", tooltip="The text encoder with all adapters applied; empty without a clip."),
                triggers_output(),
            ],
        )

    @classmethod
    def execute(cls, model: Any, clip: Any = None, stack: Stack | None = None, lora_stack: Any = None) -> io.NodeOutput:
        from ...engine.adapters.stack import Stack
        from ...engine.adapters.stack_report import warnings

        native = host().native()
        with host().computing():
            below, others = contents(lora_stack)
            whole = Stack((*below.entries, *(stack or Stack()).entries))
            apply = native.with_varying if whole.scheduled or whole.masks else native.with_stack
            model, clip, report = apply(model, clip, whole, others)
        triggers = dict.fromkeys([*whole.triggers(), *(other.file.trigger for other in others if other.file.trigger)])
        text = "\n".join([report.summary(), *warnings(whole), *report.warnings])
        tell(text)
        return io.NodeOutput(model, clip, ", ".join(triggers), ui=shown(text=text))

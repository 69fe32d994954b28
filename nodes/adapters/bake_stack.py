"""The node *Bake Stack*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import or_else
from ..kit.shown import shown, tell
from ..kit.stacks import stack_inputs, whole_stack
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack
    from ...engine.models.contract import Backbone


class BakeStack(io.ComfyNode):
    """Put a stack into the weights of a base model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_BakeStack",
            display_name="Bake Stack",
            category=CATEGORY,
            description="Puts a stack of adapters into the weights of a base model, of which Save Base Model makes a "
            "checkpoint. The base model that came in stays as it is.",
            inputs=[
                sockets.Base.Input("base", tooltip="Base model from Load Base Model, not quantized."),
                *stack_inputs(),
                io.String.Input(
                    "name",
                    default="",
                    tooltip="Name of the model in labels and files. Empty: those of the base model and the adapters.",
                ),
            ],
            outputs=[
                sockets.Base.Output("base", tooltip="The base model with the adapters, for Save Base Model."),
                io.String.Output("report", tooltip="What was baked, and the trigger words that call it."),
                io.Model.Output("model", tooltip="The denoiser, for KSampler; only in ComfyUI."),
                io.Clip.Output("clip", tooltip="The text encoder, for CLIP Text Encode."),
                io.Vae.Output("vae", tooltip="The VAE, as it was, for VAE Decode."),
            ],
        )

    @classmethod
    def execute(cls, base: Backbone, name: str, stack: Stack | None = None, lora_stack: Any = None) -> io.NodeOutput:
        from ...engine.adapters.stack_report import warnings
        from ...engine.checkpoints.baking import baked

        whole = whole_stack(stack, lora_stack)
        joined = " + ".join([base.info.name, *(entry.adapter.name for entry in whole.active())])
        with host().computing():
            made = baked(base, whole, name=or_else(name, joined))
            handed = host().native().handed_over(made) if host().has_native else (None, None, None)
        parts = [
            f"{entry.adapter.name}: weight {entry.weight:g}, text encoder {entry.text_encoder_weight:g}"
            for entry in whole.active()
        ]
        triggers = ", ".join(whole.triggers())
        called = f"trigger words: {triggers}" if triggers else "no trigger words are known"
        told = warnings(whole)
        text = "\n".join([f"{made.info.name}: {base.info.name} with", *parts, called, *told])
        tell("\n".join(told))
        report = {"name": made.info.name, "hash": made.info.content_hash, "parts": parts, "triggers": triggers}
        return io.NodeOutput(made, text, *handed, ui=shown(text=text, report=report))

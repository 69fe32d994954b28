"""The node *Base Model from ComfyUI*."""

from __future__ import annotations

from typing import Any

from ..host import host, io
from ..kit.base_models import base_output, in_words
from ..kit.inputs import precision_input
from ..kit.shown import shown, tell
from ..kit.token_counts import for_pages
from . import CATEGORY


class BaseFromComfy(io.ComfyNode):
    """Use a model loaded by ComfyUI as a base model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_BaseFromComfy",
            display_name="Base Model from ComfyUI",
            category=CATEGORY,
            description="Uses a MODEL, CLIP and VAE as a base model for training and generation, without loading it "
            "twice. Supports the families that make pictures from prompts.",
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="Model from a loader node. LoRAs already applied become part of the base, so you can train "
                    "on top of a style.",
                ),
                io.Clip.Input("clip", tooltip="The text encoder of the same model."),
                io.Vae.Input("vae", tooltip="The VAE of the same model."),
                precision_input(
                    tooltip="Compute dtype for training. auto uses ComfyUI's choice, or on a CPU what is fast there. "
                    "The adapter itself is always trained in fp32."
                ),
            ],
            outputs=[base_output()],
        )

    @classmethod
    def execute(cls, model: Any, clip: Any, vae: Any, precision: str) -> io.NodeOutput:
        native = host().native()
        with host().computing():
            backbone = native.NativeBackbone(model, clip, vae, precision=precision)
        text = in_words(backbone)
        tell(text)
        return io.NodeOutput(backbone, ui=shown(text=text) | for_pages(backbone))

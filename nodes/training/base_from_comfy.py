"""The node that makes a base model of what ComfyUI has loaded."""

from __future__ import annotations

from typing import Any

from ..host import host, io
from ..kit import sockets
from ..kit.shown import shown, tell
from . import CATEGORY


class BaseFromComfy(io.ComfyNode):
    """What ComfyUI has loaded, as a base model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_BaseFromComfy",
            display_name="Base Model from ComfyUI",
            category=CATEGORY,
            description="Makes a base model of a loaded MODEL, CLIP and VAE, of any family that ComfyUI knows: to "
            "train on and to draw with, without loading it a second time.",
            inputs=[
                io.Model.Input(
                    "model",
                    tooltip="From a stock loader. It stays as it is; LoRAs that it carries belong to the base, so that "
                    "an adapter can be trained on top of a style.",
                ),
                io.Clip.Input("clip", tooltip="The text encoder that belongs to the model."),
                io.Vae.Input("vae", tooltip="The autoencoder that belongs to the model."),
                io.Combo.Input(
                    "precision",
                    options=["auto", "fp32", "bf16", "fp16"],
                    default="auto",
                    tooltip="Number format of the computation while training. auto: what ComfyUI chose, and on a CPU "
                    "what it is fast at. The adapter itself is always trained in fp32.",
                ),
            ],
            outputs=[sockets.Base.Output("base", tooltip="The base model; nothing that uses it changes it.")],
        )

    @classmethod
    def execute(cls, model: Any, clip: Any, vae: Any, precision: str) -> io.NodeOutput:
        native = host().native()
        with host().computing():
            backbone = native.NativeBackbone(model, clip, vae, precision=precision)
        info = backbone.info
        text = (
            f"{info.name}: {info.family}, {info.prediction_type}, {info.resolution} px, on {backbone.device} "
            f"in {str(backbone.dtype).removeprefix('torch.')}"
        )
        tell(text)
        return io.NodeOutput(backbone, ui=shown(text=text))

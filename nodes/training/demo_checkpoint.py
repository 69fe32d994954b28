"""The node *Demo Checkpoint*."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...engine.core.resources import DEMO_BASE
from ..host import host, io
from ..kit import sockets
from ..kit.base_models import loaded
from ..kit.files import stamp_of
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.models.contract import Backbone


class DemoCheckpoint(io.ComfyNode):
    """Load the included demo base for ComfyUI's nodes and ours."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_DemoCheckpoint",
            display_name="Demo Checkpoint",
            category=CATEGORY,
            description="Loads the small model included with the extension, for training and for ComfyUI's own nodes: "
            "try everything within minutes, without a download.",
            inputs=[],
            outputs=[
                io.Model.Output("model", tooltip="The denoiser, for KSampler and other nodes."),
                io.Clip.Output("clip", tooltip="The text encoder, for CLIP Text Encode."),
                io.Vae.Output("vae", tooltip="The VAE, for VAE Decode and VAE Encode."),
                sockets.Base.Output("base", tooltip="The same model as a base model for Train LoRA and Generate."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> str:
        return stamp_of(DEMO_BASE)

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(*_demo(stamp_of(DEMO_BASE)))


@lru_cache(maxsize=1)
def _demo(changed: str) -> tuple[Any, Any, Any, Backbone]:
    """MODEL, CLIP, VAE and base; the first three are ``None`` outside ComfyUI, as only ComfyUI has nodes for them."""
    if not host().has_native:
        return None, None, None, loaded(DEMO_BASE, changed, "auto", "auto")
    native = host().native()
    model, clip, vae = native.demo_checkpoint()
    with host().computing():
        return model, clip, vae, native.NativeBackbone(model, clip, vae, name=DEMO_BASE.name)

"""The node that gives the demo base."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ...engine.core.resources import DEMO_BASE
from ..host import host, io
from ..kit import sockets

if TYPE_CHECKING:
    from ...engine.models.contract import Backbone
from ..kit.models import loaded, newest_change
from . import CATEGORY


class DemoCheckpoint(io.ComfyNode):
    """The demo base, as everything that takes a base model wants it."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_DemoCheckpoint",
            display_name="Demo Checkpoint",
            category=CATEGORY,
            description="The small model that comes with the project, for ComfyUI's own nodes and for training: the "
            "whole path can be tried within minutes, and nothing is downloaded.",
            inputs=[],
            outputs=[
                io.Model.Output("model", tooltip="The denoiser, for KSampler and every other node that takes a MODEL."),
                io.Clip.Output("clip", tooltip="The text encoder, for CLIP Text Encode."),
                io.Vae.Output("vae", tooltip="The autoencoder, for VAE Decode and VAE Encode."),
                sockets.Base.Output("base", tooltip="The same model for our nodes, to train on and to draw with."),
            ],
        )

    @classmethod
    def fingerprint_inputs(cls, **_: Any) -> int:
        return newest_change(DEMO_BASE)

    @classmethod
    def execute(cls) -> io.NodeOutput:
        return io.NodeOutput(*_demo(newest_change(DEMO_BASE)))


@lru_cache(maxsize=1)
def _demo(changed: int) -> tuple[Any, Any, Any, Backbone]:
    """MODEL, CLIP, VAE and base; the first three only where ComfyUI runs, which alone has nodes for them."""
    if not host().has_native:
        return None, None, None, loaded(DEMO_BASE, changed, "auto", "auto")
    native = host().native()
    model, clip, vae = native.demo_checkpoint()
    with host().computing():
        return model, clip, vae, native.NativeBackbone(model, clip, vae, name=DEMO_BASE.name)

"""Nodes that give a base model."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.core.resources import DEMO_BASE
from . import sockets
from .host import host, io
from .inputs import problem
from .shown import shown, tell

if TYPE_CHECKING:
    from ..engine.models.contract import Backbone

CATEGORY = "LoRA Workbench/training"


class LoadBase(io.ComfyNode):
    """A base model, loaded."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_LoadBase",
            display_name="Load Base Model",
            category=CATEGORY,
            description="Loads the base model that adapters are trained on and pictures are drawn with.",
            inputs=[
                io.String.Input(
                    "base",
                    default="demo_base",
                    tooltip="A diffusers folder or a single .safetensors checkpoint: a full path, or a name below the "
                    "folders for such models. demo_base is the small model that comes with the project.",
                ),
                io.Combo.Input(
                    "device",
                    options=["auto", "cpu", "cuda", "mps"],
                    default="auto",
                    tooltip="Where to compute. auto takes CUDA, then Apple's MPS, then the CPU.",
                ),
                io.Combo.Input(
                    "precision",
                    options=["auto", "fp32", "bf16", "fp16"],
                    default="auto",
                    tooltip="Number format of the frozen weights. auto takes what the device is fast at; fp32 takes "
                    "the most memory. The adapter itself is always trained in fp32.",
                ),
            ],
            outputs=[sockets.Base.Output("base", tooltip="The base model; nothing that uses it changes it.")],
        )

    @classmethod
    def validate_inputs(cls, base: str | None) -> bool | str:
        return problem(host().base_path, base)

    @classmethod
    def fingerprint_inputs(cls, base: str, **_: Any) -> int:
        return newest_change(host().base_path(base))

    @classmethod
    def execute(cls, base: str, device: str, precision: str) -> io.NodeOutput:
        path = host().base_path(base)
        with host().computing():
            backbone = _loaded(path, newest_change(path), device, precision)
        info = backbone.info
        tell(f"{info.name or path.name}: {info.family}, {info.resolution} px, on {backbone.device} in {backbone.dtype}")
        return io.NodeOutput(backbone)


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


def newest_change(path: Path) -> int:
    """When the file, or the newest below the folder, was last written; nanoseconds since the epoch."""
    files = path.rglob("*") if path.is_dir() else [path]
    return max((file.stat().st_mtime_ns for file in files), default=0)


@lru_cache(maxsize=1)
def _loaded(path: Path, changed: int, device: str, precision: str) -> Backbone:
    """The base model that was asked for last stays in memory, as nodes keep nothing themselves."""
    from ..engine.models.registry import load_base

    del changed  # part of the key only
    return load_base(path, device=device, precision=precision)


@lru_cache(maxsize=1)
def _demo(changed: int) -> tuple[Any, Any, Any, Backbone]:
    """MODEL, CLIP, VAE and base; the first three only where ComfyUI runs, which alone has nodes for them."""
    if not host().has_native:
        return None, None, None, _loaded(DEMO_BASE, changed, "auto", "auto")
    native = host().native()
    model, clip, vae = native.demo_checkpoint()
    with host().computing():
        return model, clip, vae, native.NativeBackbone(model, clip, vae, name=DEMO_BASE.name)

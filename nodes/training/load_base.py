"""The node that loads a base model."""

from __future__ import annotations

from typing import Any

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import problem
from ..kit.models import loaded, newest_change
from ..kit.shown import tell
from . import CATEGORY


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
            backbone = loaded(path, newest_change(path), device, precision)
        info = backbone.info
        tell(f"{info.name or path.name}: {info.family}, {info.resolution} px, on {backbone.device} in {backbone.dtype}")
        return io.NodeOutput(backbone)

"""The node *Load Base Model*."""

from __future__ import annotations

from typing import Any

from ...engine.core.precision import QUANTIZED
from ..host import host, io
from ..kit.base_models import base_output, in_words, loaded, stamp_of_base
from ..kit.inputs import device_input, precision_input, problem
from ..kit.shown import tell
from ..kit.token_counts import for_pages
from . import CATEGORY


class LoadBase(io.ComfyNode):
    """Load a base model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_LoadBase",
            display_name="Load Base Model",
            category=CATEGORY,
            description="Loads a base model to train adapters on and generate pictures with.",
            inputs=[
                io.String.Input(
                    "base",
                    default="demo_base",
                    tooltip="A diffusers folder or .safetensors checkpoint: a full path, or a name in the model "
                    "folders. demo_base is the small model included with the extension, demo_edit_base the same for "
                    "editing pictures.",
                ),
                device_input(),
                precision_input(
                    formats=QUANTIZED,
                    tooltip="How the frozen weights are stored. auto picks the dtype that is fast on the device, and "
                    "int8 where the weights would take more than 60 % of a GPU's memory. fp32 needs the most memory, "
                    "fp8 and int8 half of bf16, nf4 about a third. The adapter itself is always trained in fp32.",
                ),
            ],
            outputs=[base_output()],
        )

    @classmethod
    def validate_inputs(cls, base: str | None) -> bool | str:
        return problem(host().base_path, base)

    @classmethod
    def fingerprint_inputs(cls, base: str, **_: Any) -> str:
        return stamp_of_base(host().base_path(base))

    @classmethod
    def execute(cls, base: str, device: str, precision: str) -> io.NodeOutput:
        path = host().base_path(base)
        with host().computing():
            backbone = loaded(path, stamp_of_base(path), device, precision)
        tell(in_words(backbone))
        return io.NodeOutput(backbone, ui=for_pages(backbone))

"""The node *Extract Adapter*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import or_else
from ..kit.shown import shown
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.models.contract import Backbone


class ExtractAdapter(io.ComfyNode):
    """Turn the difference of two base models into an adapter."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_ExtractAdapter",
            display_name="Extract Adapter",
            category=CATEGORY,
            description="Turns the difference of two base models of one family into a LoRA, by singular values, and "
            "says how much of the difference it keeps in each block.",
            inputs=[
                sockets.Base.Input("before", tooltip="The base model that the adapter will be used on."),
                sockets.Base.Input(
                    "after",
                    tooltip="The same after training: from Train DreamBooth, another checkpoint from Load Base Model, "
                    "or a MODEL with LoRAs by way of Base Model from ComfyUI.",
                ),
                io.Int.Input(
                    "rank",
                    default=32,
                    min=1,
                    max=1024,
                    tooltip="Rank of each layer at most. Higher ranks keep more and make larger files; usually 16 to "
                    "128.",
                ),
                io.Float.Input(
                    "energy",
                    default=1.0,
                    min=0.01,
                    max=1.0,
                    step=0.01,
                    tooltip="Share of each layer's difference that is enough: layers that need fewer ranks for it get "
                    "fewer. Usually 0.9 to 0.99; 1 gives all layers the full rank.",
                ),
                io.Boolean.Input(
                    "text_encoders", default=True, tooltip="Compare the text encoders too, where they can be trained."
                ),
                io.String.Input(
                    "name", default="", tooltip="Name of the adapter in labels and files. Empty: the second model's."
                ),
            ],
            outputs=[
                sockets.Adapter.Output("adapter", tooltip="The adapter, for Save Adapter and Stack Adapters."),
                io.String.Output("report", tooltip="The kept share of the difference, in all and by block."),
                io.LoraModel.Output("lora_model", tooltip="The adapter for ComfyUI's own LoRA nodes."),
            ],
        )

    @classmethod
    def execute(
        cls, before: Backbone, after: Backbone, rank: int, energy: float, text_encoders: bool, name: str
    ) -> io.NodeOutput:
        from ...engine.adapters.extraction import Wanted
        from ...engine.adapters.files import file_tensors
        from ...engine.runs.extracting import extract_adapter

        extracted = host().drive(
            extract_adapter(
                before, after, Wanted(rank, energy), name=or_else(name, after.info.name), text_encoders=text_encoders
            )
        )
        tensors = file_tensors(extracted.adapter, dtype="float32")
        ui = shown(text=str(extracted), report=extracted.report())
        return io.NodeOutput(extracted.adapter, str(extracted), tensors, ui=ui)

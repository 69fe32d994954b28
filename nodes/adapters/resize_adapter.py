"""The node *Resize Adapter*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit.adapters import adapter_input, as_adapter
from ..kit.inputs import unused_inputs
from ..kit.merging import base_input, merged_output, merged_outputs, name_input, rank_input
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.adapter import Adapter
    from ...engine.models.contract import Backbone
    from ..kit.adapters import LoraModel

THRESHOLD = 0.95


class ResizeAdapter(io.ComfyNode):
    """Give an adapter another rank."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_ResizeAdapter",
            display_name="Resize Adapter",
            category=CATEGORY,
            description="Makes an adapter a LoRA of another rank, by singular values: the same for all layers, or as "
            "many as each layer needs. Tells the error.",
            inputs=[
                adapter_input("Adapter to resize, of any kind; a LORA_MODEL works too."),
                rank_input("Rank of each layer at most. Usually 4 to 64.", default=16),
                io.Combo.Input(
                    "rule",
                    options=["rank", "energy", "sv_fro", "sv_ratio"],
                    default="rank",
                    tooltip="rank: the same for all layers. energy: what keeps this share of a layer's squared norm. "
                    "sv_fro: of its norm. sv_ratio: singular values of at least the largest divided by threshold. The "
                    "last two are as in sd-scripts.",
                ),
                io.Float.Input(
                    "threshold",
                    default=THRESHOLD,
                    min=0.01,
                    max=1000.0,
                    step=0.01,
                    tooltip="Of the rule: usually 0.9 to 0.99 for energy and sv_fro, and 2 to 20 for sv_ratio.",
                ),
                name_input("the adapter's"),
                base_input("Base model of the adapter: needed for DoRA and OFT, whose changes depend on its weights."),
            ],
            outputs=merged_outputs(),
        )

    @classmethod
    def execute(
        cls,
        adapter: Adapter | LoraModel,
        rank: int,
        rule: Any,
        threshold: float,
        name: str,
        base: Backbone | None = None,
    ) -> io.NodeOutput:
        from ...engine.adapters.merges.resizing import Size, resized

        size = Size(rank=rank, rule=rule, threshold=threshold)
        made = host().drive(resized(as_adapter(adapter), size, name=name.strip(), base=base))
        used = () if rule == "rank" else ("threshold",)
        unused = unused_inputs({"threshold": threshold}, {"threshold": THRESHOLD}, used, f"the rule is {rule}")
        return merged_output(made, unused)

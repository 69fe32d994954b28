"""The node *Subtract Adapters*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.adapters import adapter_input, as_adapter
from ..kit.inputs import or_else
from ..kit.merging import base_input, merged_output, merged_outputs, name_input, rank_input
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.adapter import Adapter
    from ...engine.models.contract import Backbone
    from ..kit.adapters import LoraModel


class SubtractAdapters(io.ComfyNode):
    """Take one adapter off another."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_SubtractAdapters",
            display_name="Subtract Adapters",
            category=CATEGORY,
            description="Takes one adapter off another: what the first has beyond the second, such as a subject "
            "without the style that it was trained in. Its trigger words are those of the first.",
            inputs=[
                adapter_input("Adapter to subtract from; a LORA_MODEL works too."),
                io.MultiType.Input(
                    "less", types=[sockets.Adapter, io.LoraModel], tooltip="Adapter to subtract, of the same family."
                ),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.05,
                    tooltip="How much of it is subtracted. Usually 0.5 to 1; negative weights add it.",
                ),
                rank_input("Rank of each layer at most. 0: exactly the difference; ranks add up.", default=0, least=0),
                name_input("both names"),
                base_input(
                    "Base model of the adapters: needed for DoRA and OFT, and where files name layers differently."
                ),
            ],
            outputs=merged_outputs(),
        )

    @classmethod
    def execute(
        cls,
        adapter: Adapter | LoraModel,
        less: Adapter | LoraModel,
        weight: float,
        rank: int,
        name: str,
        base: Backbone | None = None,
    ) -> io.NodeOutput:
        from ...engine.adapters.extraction import Wanted
        from ...engine.adapters.merges.merging import Merge
        from ...engine.adapters.merges.resizing import difference

        whole, taken = as_adapter(adapter), as_adapter(less)
        how = Merge(method="svd", wanted=Wanted(rank)) if rank else Merge()
        name = or_else(name, f"{whole.name} - {taken.name}")
        made = host().drive(difference(whole, taken, how, weight=weight, name=name, base=base))
        return merged_output(made, "")

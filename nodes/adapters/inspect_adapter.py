"""The node *Inspect Adapter*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.adapters import about, adapter_input, as_adapter
from ..kit.measures import plot_of_measures
from ..kit.pictures import to_tensor
from ..kit.shown import shown
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.adapter import Adapter
    from ...engine.models.contract import Backbone
    from ..kit.adapters import LoraModel


class InspectAdapter(io.ComfyNode):
    """Show how much an adapter changes, where, and in how many directions."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_InspectAdapter",
            display_name="Inspect Adapter",
            category=CATEGORY,
            description="Shows how much an adapter changes each block, in how many directions, and which rank would be "
            "enough, as a report and a plot.",
            inputs=[
                adapter_input("Adapter to inspect; a LORA_MODEL works too."),
                sockets.Base.Input(
                    "base",
                    optional=True,
                    tooltip="Base model that the adapter is for. With it, norms are shown beside those of its weights, "
                    "and DoRA and OFT, whose change depends on them, are measured whole.",
                ),
            ],
            outputs=[
                sockets.Adapter.Output("adapter", tooltip="The adapter, unchanged."),
                io.String.Output("report", tooltip="Norm, rank and effective rank of each block, as Markdown."),
                io.Image.Output("plot", tooltip="Norms and effective ranks by block, and the singular values."),
            ],
        )

    @classmethod
    def execute(cls, adapter: Adapter | LoraModel, base: Backbone | None = None) -> io.NodeOutput:
        from ...engine.vault.measuring import measure

        adapter = as_adapter(adapter)
        measures = host().drive(measure(adapter, base))
        text = "\n".join([str(measures), *about(adapter)])
        plot = to_tensor([plot_of_measures(measures)])
        ui = shown(text=text, preview=plot, report=measures.report(), cls=cls)
        return io.NodeOutput(adapter, text, plot, ui=ui)

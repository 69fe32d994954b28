"""What the nodes share that make one adapter of others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import io
from . import sockets
from .inputs import ADVANCED
from .shown import shown, tell

if TYPE_CHECKING:
    from ...engine.adapters.merges.merging import Merged

HIGHEST_RANK = 1024


def rank_input(tooltip: str, *, default: int = 32, least: int = 1) -> io.Input:
    return io.Int.Input("rank", default=default, min=least, max=HIGHEST_RANK, tooltip=tooltip)


def energy_input(**options: Any) -> io.Input:
    return io.Float.Input(
        "energy",
        default=1.0,
        min=0.01,
        max=1.0,
        step=0.01,
        extra_dict=ADVANCED,
        tooltip="Share of each layer's change that is enough: layers that need fewer ranks for it get fewer. Usually "
        "0.9 to 0.99; 1 gives all layers the full rank.",
        **options,
    )


def name_input(empty: str) -> io.Input:
    return io.String.Input("name", default="", tooltip=f"Name of the adapter in labels and files. Empty: {empty}.")


def base_input(tooltip: str) -> io.Input:
    return sockets.Base.Input("base", optional=True, tooltip=tooltip)


def merged_outputs() -> list[io.Output]:
    return [
        sockets.Adapter.Output("adapter", tooltip="The adapter, for Save Adapter and Stack Adapters."),
        io.String.Output("report", tooltip="What was done, and the relative error by block."),
        io.LoraModel.Output("lora_model", tooltip="The adapter for ComfyUI's own LoRA nodes."),
    ]


def merged_output(made: Merged, unused: str) -> io.NodeOutput:
    """The values of :func:`merged_outputs`."""
    from ...engine.adapters.files import file_tensors

    text = "\n".join(filter(None, [str(made), unused]))
    tell("\n".join(filter(None, [unused, *made.notes])))
    ui = shown(text=text, report=made.report() | ({"unused": unused} if unused else {}))
    return io.NodeOutput(made.adapter, text, file_tensors(made.adapter, dtype="float32"), ui=ui)

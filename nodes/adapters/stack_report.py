"""The node *Stack Report*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.pictures import to_tensor
from ..kit.shown import shown, tell
from ..kit.stacks import plot_of, stack_inputs, whole_stack
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.stack import Stack
    from ...engine.models.contract import Backbone


class StackReport(io.ComfyNode):
    """Measure what the adapters of a stack do to each other."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_StackReport",
            display_name="Stack Report",
            category=CATEGORY,
            description="Measures what the adapters of a stack do to each other, without drawing a picture: how much "
            "they amount to together, whether pictures are likely to break, which of them owns each block, and whether "
            "they work against each other.",
            inputs=[
                *stack_inputs(),
                sockets.Base.Input(
                    "base",
                    optional=True,
                    tooltip="The base model that they are for: changes are told as shares of its weights, and DoRA and "
                    "OFT can be measured.",
                ),
            ],
            outputs=[
                sockets.Stack.Output(
                    "stack", tooltip="The same stack, with lower weights if pictures are likely to break."
                ),
                io.Image.Output("plot", tooltip="How strongly each block is changed, and by whom."),
                io.String.Output("report", tooltip="The measures in words."),
                io.Float.Output("effective_total", tooltip="How many adapters at weight 1 the stack amounts to."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, stack: Stack | None = None, lora_stack: Any = None, base: Backbone | None = None) -> io.NodeOutput:
        from ...engine.adapters.interference import interference
        from ...engine.adapters.stack_report import StackReport as Report

        whole = whole_stack(stack, lora_stack)
        with host().computing():
            report = Report(whole, interference(whole, base))
        plot = to_tensor([plot_of(report)])
        tell(str(report))
        return io.NodeOutput(
            report.suggested(), plot, str(report), report.found.effective_total,
            ui=shown(text=str(report), preview=plot, report=report.values(), cls=cls),
        )  # fmt: skip

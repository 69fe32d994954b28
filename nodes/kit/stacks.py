"""Stacks as inputs of nodes, and as pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from ..host import io
from . import sockets
from .lora_stacks import as_stack

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...engine.adapters.stack import Stack
    from ...engine.adapters.stack_report import StackReport


def stack_inputs() -> list[io.Input]:
    """A stack of ours, and one of other extensions, which comes first."""
    return [
        sockets.Stack.Input("stack", optional=True, tooltip="Adapters with weights, from Stack Adapters."),
        sockets.LoraStack.Input(
            "lora_stack", optional=True, tooltip="LoRA files stacked by another extension; they come first."
        ),
    ]


def whole_stack(stack: Stack | None, lora_stack: Any) -> Stack:
    """The values of :func:`stack_inputs` as one stack."""
    from ...engine.adapters.stack import Stack

    return Stack((*as_stack(lora_stack).entries, *(stack or Stack()).entries))


def plot_of(report: StackReport) -> Image:
    """How strongly each block is changed and by which adapters, and how alike their changes are."""
    from ...engine.figures.stack_plot import Bar, stack_plot

    bars = [
        Bar(name, block.strength, block.owned.tolist(), _told(block.strength, block.base))
        for name, block in report.found.blocks.items()
    ]
    known = not math.isnan(report.found.whole.base)
    return stack_plot(
        report.names, bars, report.found.whole.cosines.tolist(),
        title=f"{len(report.names)} adapters that amount to {report.found.effective_total:.2f}",
        axis="change of each block, of its weights" if known else "change of each block",
    )  # fmt: skip


def _told(strength: float, base: float) -> str:
    return f"{strength:.2g}" if math.isnan(base) else f"{strength:.1%}"

"""Stacks as pictures."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...engine.adapters.stack_report import StackReport


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

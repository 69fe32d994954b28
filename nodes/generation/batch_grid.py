"""The node *Batch Grid*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.pictures import to_tensor
from ..kit.shown import shown
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.batches.drawn import DrawnBatch


class BatchGrid(io.ComfyNode):
    """Lay a batch out as labeled grids."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_BatchGrid",
            display_name="Batch Grid",
            category=CATEGORY,
            description="Lays the pictures of a batch out as a labeled X/Y/Z grid, with a column without adapter where "
            "the sweep has one.",
            inputs=[
                sockets.Batch.Input("batch", tooltip="The batch of Generate Batch."),
                io.String.Input(
                    "columns",
                    default="",
                    tooltip="Axis of the columns, such as weight; empty for adapters or snapshots, else the last axis.",
                ),
                io.String.Input(
                    "rows",
                    default="",
                    tooltip="Axis of the rows, such as prompt. Axes that have no other place are rows too.",
                ),
                io.String.Input(
                    "pages",
                    default="",
                    tooltip="Axis of which each value is a grid of its own; empty for a single grid.",
                ),
            ],
            outputs=[io.Image.Output("grid", tooltip="The labeled grids, one picture a page.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, batch: DrawnBatch, columns: str, rows: str, pages: str) -> io.NodeOutput:
        from ...engine.batches.drawn import DrawnBatch
        from ...engine.batches.grids import grids
        from ...engine.core.errors import ConfigError

        if not isinstance(batch, DrawnBatch):
            raise ConfigError(
                "This batch has no axes.",
                expected="the batch of LW_GenerateBatch",
                hint="connect that, or use LW_ComparisonGrid for the adapters of a stack.",
            )
        with host().computing():
            made = grids(batch, columns.strip(), rows.strip(), pages.strip())
        sheet = to_tensor(made)
        report = {"pages": len(made), "axes": {name: len(labels) for name, labels in batch.plan.axes.items()}}
        return io.NodeOutput(sheet, ui=shown(preview=sheet, report=report, cls=cls))

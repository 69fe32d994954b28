"""The node *Preview Data Set*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import io
from ..kit import sockets
from ..kit.datasets import columns_input, in_figures, sheet_of
from ..kit.galleries import gallery
from ..kit.shown import shown
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset


class PreviewDataset(io.ComfyNode):
    """Show a data set as a contact sheet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_PreviewDataset",
            display_name="Preview Data Set",
            category=CATEGORY,
            description="Shows the pictures with their names, crops and captions, as they will be used for training.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="Data set to show on the contact sheet."),
                columns_input(),
            ],
            outputs=[io.Image.Output("sheet", tooltip="The contact sheet, as one picture.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, dataset: Dataset, columns: int) -> io.NodeOutput:
        from ...engine.captions.templates import caption_table

        sheet = sheet_of(dataset, columns=columns)
        table = caption_table(dataset)
        ui = shown(text=table, preview=sheet, report=in_figures(dataset), gallery=gallery(dataset), cls=cls)
        return io.NodeOutput(sheet, ui=ui)

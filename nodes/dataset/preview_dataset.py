"""The node that shows data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.pictures import to_tensor
from ..kit.shown import shown

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
from ..kit.datasets import dataset_report
from . import CATEGORY


class PreviewDataset(io.ComfyNode):
    """A data set as a contact sheet."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_PreviewDataset",
            display_name="Preview Data Set",
            category=CATEGORY,
            description="Shows the pictures of a data set with their names and captions, as a training will see them.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="The data set to look at."),
                io.Int.Input(
                    "columns", default=6, min=1, max=24, tooltip="Pictures side by side on the contact sheet."
                ),
            ],
            outputs=[io.Image.Output("sheet", tooltip="The contact sheet, one picture.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, dataset: Dataset, columns: int) -> io.NodeOutput:
        from ...engine.captions.templates import caption_table
        from ...engine.figures.contact_sheet import contact_sheet

        sheet = to_tensor([host().drive(contact_sheet(dataset, columns=columns))])
        table = caption_table(dataset)
        return io.NodeOutput(sheet, ui=shown(text=table, preview=sheet, report=dataset_report(dataset), cls=cls))

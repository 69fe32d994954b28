"""The node that judges data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.pictures import to_tensor
from ..kit.shown import shown, tell

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
from ..kit.judging import inspected, judging_inputs
from . import CATEGORY


class InspectDataset(io.ComfyNode):
    """A data set, judged."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_InspectDataset",
            display_name="Inspect Data Set",
            category=CATEGORY,
            description="Says what is wrong with a data set, with which picture, and what to do about it first: blur, "
            "exposure, size, compression, bars, copies, one-sidedness, captions.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="The data set to judge; it stays as it is."),
                *judging_inputs(),
                io.Int.Input(
                    "columns", default=6, min=1, max=24, tooltip="Pictures side by side on the contact sheet."
                ),
            ],
            outputs=[
                io.String.Output("report", tooltip="The verdict, what to do first, and every flawed picture, as text."),
                io.String.Output("json", tooltip="The same with all measures, as a JSON object for programs."),
                io.Image.Output("sheet", tooltip="The contact sheet, with the flaws of each picture below it."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, dataset: Dataset, columns: int, **judging: Any) -> io.NodeOutput:
        from ...engine.figures.contact_sheet import contact_sheet

        inspection = inspected(dataset, **judging)
        tell(inspection.summary())
        picture = host().drive(contact_sheet(dataset, columns=columns, flags=inspection.labels()))
        sheet = to_tensor([picture])
        text = inspection.text()
        ui = shown(text=text, preview=sheet, report=inspection.values(), cls=cls)
        return io.NodeOutput(text, inspection.json(), sheet, ui=ui)

"""The node *Inspect Data Set*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import io
from ..kit import sockets
from ..kit.datasets import columns_input, sheet_of
from ..kit.galleries import gallery
from ..kit.inspection import flaws, inspected, inspection_inputs
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset


class InspectDataset(io.ComfyNode):
    """Find flaws in a data set."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_InspectDataset",
            display_name="Inspect Data Set",
            category=CATEGORY,
            description="Finds flaws in a data set and says what to fix first: blur, exposure, size, compression, "
            "borders, duplicates, lack of variety, captions.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="Data set to inspect."),
                *inspection_inputs(),
                columns_input(),
            ],
            outputs=[
                io.String.Output("report", tooltip="Verdict, what to fix first, and all flawed pictures, as text."),
                io.String.Output("json", tooltip="The report with all measurements, as JSON."),
                io.Image.Output("sheet", tooltip="Contact sheet with the flaws below each picture."),
            ],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, dataset: Dataset, columns: int, **settings: Any) -> io.NodeOutput:
        inspection = inspected(dataset, **settings)
        tell(inspection.summary())
        sheet = sheet_of(dataset, columns=columns, flags=inspection.labels())
        text = inspection.text()
        pictures = gallery(dataset, flags=flaws(inspection))
        ui = shown(text=text, preview=sheet, report=inspection.values(), gallery=pictures, cls=cls)
        return io.NodeOutput(text, inspection.json(), sheet, ui=ui)

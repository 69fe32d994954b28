"""The node *Run Report*."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.files import below_output, new_file
from ..kit.inputs import or_else
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.adapter import Adapter
    from ...engine.data.dataset import Dataset


class RunReport(io.ComfyNode):
    """Write what is known of a training as one HTML file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_RunReport",
            display_name="Run Report",
            category=CATEGORY,
            description="Writes what is known of a training as one HTML file to reports/ in the output folder: curves, "
            "sample pictures over time, data set, recipe, notes, versions and the graph. It opens in any browser, also "
            "on a phone, and loads nothing from anywhere.",
            inputs=[
                sockets.Adapter.Input("adapter", tooltip="The trained adapter, from Train LoRA or Load Adapter."),
                io.String.Input(
                    "filename",
                    default="",
                    tooltip="File name without extension; may include sub-folders. Empty: the adapter's name. If "
                    "another report has it, a number is added.",
                ),
                sockets.Dataset.Input(
                    "dataset",
                    optional=True,
                    tooltip="The training pictures, for thumbnails. Without them, their captions are listed alone.",
                ),
            ],
            outputs=[io.String.Output("path", tooltip="Full path of the saved file.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, adapter: Adapter, filename: str, dataset: Dataset | None = None) -> io.NodeOutput:
        from ...engine.reports.saving import SUFFIX, save_report

        name = or_else(filename.strip().removesuffix(SUFFIX), adapter.name)
        wanted = new_file(host().report_directory(), name)
        saved = host().drive(save_report(adapter, host().run_store(), wanted.with_name(wanted.name + SUFFIX), dataset))
        place = below_output(saved.path)
        text = f"{saved}\nsaved: {place}"
        tell(text)
        files = [{"path": place, "kind": "report"}]
        report = {**saved.report(), "path": place}
        return io.NodeOutput(str(saved.path), ui={**shown(text=text, report=report), "lw_files": files})

"""The node that reads data sets."""

from __future__ import annotations

from typing import Any

from ..host import host, io
from ..kit import sockets
from ..kit.datasets import dataset_report, dataset_summary
from ..kit.inputs import problem
from ..kit.shown import shown, tell
from . import CATEGORY


class LoadDataset(io.ComfyNode):
    """A folder or zip archive as a data set."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_LoadDataset",
            display_name="Load Data Set",
            category=CATEGORY,
            description="Reads a folder or zip of pictures with their captions, and says what is wrong with it.",
            inputs=[
                io.String.Input(
                    "path",
                    default="",
                    placeholder="assets/datasets/fox",
                    tooltip="Folder or .zip: a full path, or one below the input folder. Captions come from .txt "
                    "files of the same name, metadata.jsonl or metadata.csv; a "
                    "sub-folder 10_fox shows its pictures 10 times.",
                ),
                io.Combo.Input(
                    "on_unreadable",
                    options=["skip", "refuse"],
                    default="skip",
                    tooltip="What to do with pictures that are damaged or too large: leave them out and name them, or "
                    "stop.",
                ),
            ],
            outputs=[sockets.Dataset.Output("dataset", tooltip="Pictures and captions in the order of their names.")],
        )

    @classmethod
    def validate_inputs(cls, path: str | None) -> bool | str:
        return problem(host().dataset_path, path)

    @classmethod
    def fingerprint_inputs(cls, path: str, **_: Any) -> str:
        from ...engine.data.trees import folder_fingerprint

        return folder_fingerprint(host().dataset_path(path))

    @classmethod
    def execute(cls, path: str, on_unreadable: Any) -> io.NodeOutput:
        from ...engine.data.loading import load_dataset

        dataset = load_dataset(host().dataset_path(path), on_unreadable=on_unreadable)
        summary = dataset_summary(dataset)
        tell(summary)
        return io.NodeOutput(dataset, ui=shown(text=summary, report=dataset_report(dataset)))

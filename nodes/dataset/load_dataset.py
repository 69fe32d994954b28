"""The node *Load Data Set*."""

from __future__ import annotations

from typing import Any

from ...engine.data.uncaptioned import UNCAPTIONED
from ..host import host, io
from ..kit import sockets
from ..kit.datasets import in_figures, in_words
from ..kit.galleries import gallery
from ..kit.inputs import ADVANCED, problem
from ..kit.shown import shown, tell
from . import CATEGORY


class LoadDataset(io.ComfyNode):
    """Load a folder or zip archive as a data set."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_LoadDataset",
            display_name="Load Data Set",
            category=CATEGORY,
            description="Loads pictures and their captions from a folder or zip, and reports what can't be used.",
            inputs=[
                io.String.Input(
                    "path",
                    default="",
                    placeholder="assets/datasets/fox",
                    tooltip="Folder or .zip: a full path, or one below the input folder. Captions are read from text "
                    "and JSON files and from tables; pictures in a sub-folder 10_fox are repeated 10 times.",
                ),
                io.Combo.Input(
                    "on_unreadable",
                    options=["skip", "refuse"],
                    default="skip",
                    tooltip="Damaged or oversized pictures: skip and list them, or stop with an error.",
                ),
                io.Combo.Input(
                    "uncaptioned",
                    options=list(UNCAPTIONED),
                    default="no caption",
                    optional=True,
                    tooltip="Caption of pictures that have none: none, their file's name, or their folder's, which for "
                    "10_ohwx fox is ohwx fox.",
                    extra_dict=ADVANCED,
                ),
            ],
            outputs=[sockets.Dataset.Output("dataset", tooltip="Pictures with their captions, sorted by name.")],
        )

    @classmethod
    def validate_inputs(cls, path: str | None) -> bool | str:
        return problem(host().dataset_path, path)

    @classmethod
    def fingerprint_inputs(cls, path: str, **_: Any) -> str:
        from ...engine.data.trees import folder_fingerprint

        return folder_fingerprint(host().dataset_path(path))

    @classmethod
    def execute(cls, path: str, on_unreadable: Any, uncaptioned: Any = "no caption") -> io.NodeOutput:
        from ...engine.data.loading import load_dataset

        dataset = load_dataset(host().dataset_path(path), on_unreadable=on_unreadable, uncaptioned=uncaptioned)
        text = in_words(dataset)
        tell(text)
        return io.NodeOutput(dataset, ui=shown(text=text, report=in_figures(dataset), gallery=gallery(dataset)))

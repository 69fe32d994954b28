"""The node *Save Data Set*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.core.words import counted
from ..host import host, io
from ..kit import sockets
from ..kit.files import below_output, new_file
from ..kit.inputs import or_else
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset


class SaveDataset(io.ComfyNode):
    """Save a data set as files, for this and other trainers."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_SaveDataset",
            display_name="Save Data Set",
            category=CATEGORY,
            description="Saves pictures, captions, repeats and masks to the output folder, in the layout of a trainer, "
            "as the contact sheet shows them. Never overwrites another data set.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="Data set to save, after all changes."),
                io.Combo.Input(
                    "layout",
                    options=["kohya", "diffusers", "replicate", "fal"],
                    default="kohya",
                    tooltip="kohya: folders like 10_name with .txt captions. diffusers: a folder with metadata.jsonl. "
                    "Load Data Set reads both. replicate and fal: a zip for their trainers.",
                ),
                io.String.Input(
                    "name",
                    default="",
                    tooltip="Name of the folder or zip in output/datasets. Empty: the data set's name. If another "
                    "data set has it, a number is added.",
                ),
                io.Combo.Input(
                    "pictures",
                    options=["as shown", "crops", "crops and variants", "as they are"],
                    default="as shown",
                    optional=True,
                    tooltip="as shown: whole, upright, on white, in sRGB; files that are that are copied unchanged. "
                    "crops: from Bucket Data Set, at their sizes. crops and variants: those of Augment too. as they "
                    "are: files byte by byte.",
                ),
            ],
            outputs=[io.String.Output("path", tooltip="Full path of the saved folder or zip.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, dataset: Dataset, layout: str, name: str, pictures: Any = "as shown") -> io.NodeOutput:
        from ...engine.data.saving import save_dataset

        place = new_file(host().output_directory() / "datasets", or_else(name, dataset.name))
        saved = host().drive(save_dataset(dataset, place, layout, pictures))
        relative = below_output(saved.path)
        files = [{"path": below_output(file), "kind": "dataset"} for file in saved.files]
        text = "\n".join([f"{dataset.name}: {counted(saved.pictures, 'picture')} in {relative}", *saved.notes])
        tell(text)
        report = {"path": relative, "layout": layout, "files": len(files), "notes": list(saved.notes)}
        return io.NodeOutput(str(saved.path), ui={**shown(text=text, report=report), "lw_files": files})

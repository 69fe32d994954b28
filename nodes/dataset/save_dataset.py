"""The node that writes data sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import new_file, or_else
from ..kit.shown import shown, tell

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset
from . import CATEGORY


class SaveDataset(io.ComfyNode):
    """A data set as files, for this and other trainers."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_SaveDataset",
            display_name="Save Data Set",
            category=CATEGORY,
            description="Writes pictures, captions, repeats and masks into the output folder, in the layout of this or "
            "another trainer. Existing data sets are never replaced.",
            inputs=[
                sockets.Dataset.Input("dataset", tooltip="The data set to write; its pictures are copied as they are."),
                io.Combo.Input(
                    "layout",
                    options=["kohya", "diffusers", "replicate", "fal"],
                    default="kohya",
                    tooltip="kohya: folders 10_name with .txt captions, which Load Data Set reads too. diffusers: a "
                    "folder with metadata.jsonl. replicate and fal: the zip that their trainers take.",
                ),
                io.String.Input(
                    "name",
                    default="",
                    tooltip="Of the folder or zip, below output/datasets; empty takes the data set's. A number is "
                    "added if another data set has it.",
                ),
            ],
            outputs=[io.String.Output("path", tooltip="The folder or zip that was written.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, dataset: Dataset, layout: str, name: str) -> io.NodeOutput:
        from ...engine.data.saving import save_dataset

        place = new_file(host().output_directory() / "datasets", or_else(name, dataset.name))
        saved = host().drive(save_dataset(dataset, place, layout))
        root = host().output_directory()
        relative = saved.path.relative_to(root).as_posix()
        files = [{"path": file.relative_to(root).as_posix(), "kind": "dataset"} for file in saved.files]
        text = "\n".join([f"{dataset.name}: {len(dataset)} pictures in {relative}", *saved.notes])
        tell(text)
        report = {"path": relative, "layout": layout, "files": len(files), "notes": list(saved.notes)}
        return io.NodeOutput(str(saved.path), ui={**shown(text=text, report=report), "lw_files": files})

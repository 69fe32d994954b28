"""The node *Save Snapshots*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.adapters import saved_adapters
from ..kit.files import below_output, new_file
from ..kit.inputs import or_else, problem, whole_numbers
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.runs.snapshots import Snapshots


class SaveSnapshots(io.ComfyNode):
    """Save the adapters that a training has kept on its way as files named by step."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_SaveSnapshots",
            display_name="Save Snapshots",
            category=CATEGORY,
            description="Saves the adapters that a training has kept on its way to loras/ in the output folder, named "
            "by step. Never overwrites another adapter.",
            inputs=[
                sockets.Snapshots.Input("snapshots", tooltip="From Train LoRA or Train Slider."),
                io.String.Input(
                    "filename",
                    default="",
                    tooltip="Begin of the file names, to which the step is added: fox gives fox-000400; may include "
                    "sub-folders. Empty: the adapter's name.",
                ),
                io.String.Input(
                    "steps",
                    default="",
                    tooltip="Steps whose snapshots are saved, comma-separated, such as 200, 400. Empty: all, with the "
                    "finished adapter.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=["float16", "float32"],
                    default="float16",
                    tooltip="dtype of the saved weights. float16 halves the file size; float32 is exact.",
                ),
                io.Boolean.Input(
                    "private",
                    default=False,
                    tooltip="Leave captions, names of pictures, folders and base model, sample prompts and the "
                    "workflow out of the files, so that they can be given to others.",
                ),
            ],
            outputs=[io.String.Output("paths", tooltip="Full paths of the saved files, one per line.")],
            is_output_node=True,
        )

    @classmethod
    def validate_inputs(cls, steps: str | None = None) -> bool | str:
        return problem(whole_numbers, steps)

    @classmethod
    def execute(cls, snapshots: Snapshots, filename: str, steps: str, dtype: Any, private: bool) -> io.NodeOutput:
        from ...engine.runs.snapshots import save_snapshots

        place = new_file(host().adapter_directory(), or_else(filename.removesuffix(".safetensors"), snapshots.name))
        chosen = snapshots.exactly(whole_numbers(steps)) if steps.strip() else snapshots.snapshots
        files = host().drive(save_snapshots(chosen, place, dtype=dtype, without_data=private))
        paths = [below_output(file.path) for file in files]
        states = [f"{'saved' if file.written else 'already saved'}: {below_output(file.path)}" for file in files]
        tell("\n".join(states))
        report = {"name": snapshots.name, "paths": paths, "written": sum(file.written for file in files)}
        return io.NodeOutput(
            "\n".join(str(file.path) for file in files),
            ui={**shown(text="\n".join(states), report=report), **saved_adapters(paths)},
        )

"""The node *Save Base Model*."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit import sockets
from ..kit.files import below_output, new_file
from ..kit.inputs import or_else
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.models.contract import Backbone

FORMATS = ("checkpoint", "diffusers folder", "both")


class SaveBase(io.ComfyNode):
    """Save a base model for ComfyUI, diffusers and Load Base Model."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_SaveBase",
            display_name="Save Base Model",
            category=CATEGORY,
            description="Saves a base model to the output folder: as a checkpoint, which ComfyUI and diffusers load, "
            "or as a diffusers folder. Never overwrites another model.",
            inputs=[
                sockets.Base.Input("base", tooltip="Base model from Train DreamBooth or Load Base Model."),
                io.String.Input(
                    "filename",
                    default="",
                    tooltip="Name without extension; may include sub-folders. Empty: the base model's name. If another "
                    "model has it, a number is added.",
                ),
                io.Combo.Input(
                    "format",
                    options=list(FORMATS),
                    default="checkpoint",
                    tooltip="checkpoint: one file in checkpoints/, for ComfyUI's Load Checkpoint. diffusers folder: in "
                    "diffusers/, for models whose sizes aren't their family's.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=["float16", "bfloat16", "float32"],
                    default="float16",
                    tooltip="dtype of the saved weights. float16 is what most checkpoints have; float32 is exact, and "
                    "twice as large.",
                ),
            ],
            outputs=[io.String.Output("path", tooltip="Full path of the file, or of the folder if there is no file.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, base: Backbone, filename: str, format: Any, dtype: Any) -> io.NodeOutput:  # noqa: A002
        from ...engine.checkpoints.saving import save_checkpoint, save_folder, unusual

        name = or_else(filename.strip().removesuffix(".safetensors"), base.info.name)
        saved: list[Path] = []
        with host().computing():
            if format != FORMATS[1]:
                file = new_file(host().checkpoint_directory(), name)
                saved.append(save_checkpoint(base, file.with_name(f"{file.name}.safetensors"), dtype=dtype, name=name))
            if format != FORMATS[0]:
                saved.append(save_folder(base, new_file(host().diffusers_directory(), name), dtype=dtype))
        places = [below_output(path) for path in saved]
        notes = [*unusual(base)] if format != FORMATS[1] else []
        notes += [f"the word {word} isn't part of it: Save Embedding saves that" for word in base.known_words]
        text = "\n".join([*(f"saved: {place}" for place in places), *notes])
        tell(text)
        report = {"name": base.info.name, "paths": places, "notes": notes}
        return io.NodeOutput(str(saved[0]), ui=shown(text=text, report=report))

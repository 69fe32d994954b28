"""The node *Save Adapter*."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..host import host, io
from ..kit.adapters import adapter_input, as_adapter, saved_adapters
from ..kit.files import below_output, new_file
from ..kit.inputs import or_else
from ..kit.shown import shown, tell
from . import CATEGORY

if TYPE_CHECKING:
    from ...engine.adapters.adapter import Adapter
    from ..kit.adapters import LoraModel


class SaveAdapter(io.ComfyNode):
    """Save an adapter as a file that other programs load."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_SaveAdapter",
            display_name="Save Adapter",
            category=CATEGORY,
            description="Saves an adapter with its metadata to loras/ in the output folder. Never overwrites another "
            "adapter.",
            inputs=[
                adapter_input("Adapter to save; a LORA_MODEL works too."),
                io.String.Input(
                    "filename",
                    default="",
                    tooltip="File name without extension; may include sub-folders. Empty: the adapter's name. If "
                    "another adapter has it, a number is added.",
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
                    optional=True,
                    tooltip="Leave captions, names of pictures, folders and base model, sample prompts and the "
                    "workflow out of the file, so that it can be given to others.",
                ),
            ],
            outputs=[io.String.Output("path", tooltip="Full path of the saved file.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, adapter: Adapter | LoraModel, filename: str, dtype: Any, private: bool = False) -> io.NodeOutput:
        from ...engine.adapters.keeping import keep

        adapter = as_adapter(adapter)
        name = or_else(filename.strip().removesuffix(".safetensors"), adapter.name)
        kept = keep(adapter, new_file(host().adapter_directory(), name), dtype=dtype, without_data=private)
        place = below_output(kept.path)
        text = f"{'saved' if kept.written else 'already saved'}: {place}"
        tell(text)
        report = {"name": adapter.name, "path": place, "trigger": adapter.trigger, "written": kept.written}
        return io.NodeOutput(str(kept.path), ui={**shown(text=text, report=report), **saved_adapters([place])})

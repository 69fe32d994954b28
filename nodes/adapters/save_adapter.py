"""The node that saves adapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from ..host import host, io
from ..kit.inputs import new_file, or_else
from ..kit.shown import shown, tell

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.adapters.adapter import Adapter

    LoraModel: TypeAlias = Mapping[str, Tensor]
from ..kit.adapters import adapter_input, as_adapter, saved_adapters
from . import CATEGORY

SUFFIX = ".safetensors"


class SaveAdapter(io.ComfyNode):
    """An adapter as a file that other programs load."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_SaveAdapter",
            display_name="Save Adapter",
            category=CATEGORY,
            description="Saves an adapter with all that is known about it in loras/ below the output folder. A "
            "file that holds another adapter is never replaced.",
            inputs=[
                adapter_input("The adapter to save."),
                io.String.Input(
                    "filename",
                    default="",
                    tooltip="Name without ending, perhaps with sub-folders; empty takes the adapter's name. If "
                    "another adapter has the name, a number is added.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=["float16", "float32"],
                    default="float16",
                    tooltip="Number format in the file. float16 halves the size; float32 keeps every digit.",
                ),
            ],
            outputs=[io.String.Output("path", tooltip="Full path of the file.")],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, adapter: Adapter | LoraModel, filename: str, dtype: Any) -> io.NodeOutput:
        from ...engine.adapters.keeping import keep

        adapter = as_adapter(adapter)
        name = or_else(filename.strip().removesuffix(SUFFIX), adapter.name)
        kept = keep(adapter, new_file(host().adapter_directory(), name), dtype=dtype)
        place = kept.path.relative_to(host().output_directory()).as_posix()
        text = f"{'saved' if kept.written else 'there already'}: {place}"
        tell(text)
        report = {"name": adapter.name, "path": place, "trigger": adapter.trigger, "written": kept.written}
        return io.NodeOutput(
            str(kept.path),
            ui={**shown(text=text, report=report), **saved_adapters([place])},
        )

"""Nodes that load, stack and save adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import sockets
from .host import host, io
from .inputs import new_file, or_else, problem
from .shown import shown, tell

if TYPE_CHECKING:
    from ..engine.adapters.adapter import Adapter
    from ..engine.adapters.stack import Stack

CATEGORY = "LoRA Workbench/adapters"
SUFFIX = ".safetensors"


class LoadAdapter(io.ComfyNode):
    """An adapter from a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_LoadAdapter",
            display_name="Load Adapter",
            category=CATEGORY,
            description="Loads a LoRA from a file, one of this project's or of another trainer.",
            inputs=[
                io.Combo.Input(
                    "adapter",
                    options=host.adapter_files(),
                    tooltip="A .safetensors file in the folders for LoRAs; saved adapters are among them.",
                )
            ],
            outputs=[
                sockets.Adapter.Output("adapter", tooltip="The adapter; whether it fits a base shows when it is used."),
                io.String.Output(
                    "trigger", tooltip="The trigger phrase that the file names, to put into prompts; may be empty."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, adapter: str | None) -> bool | str:
        return problem(host.adapter_path, adapter)

    @classmethod
    def fingerprint_inputs(cls, adapter: str) -> list[int]:
        status = host.adapter_path(adapter).stat()
        return [status.st_mtime_ns, status.st_size]

    @classmethod
    def execute(cls, adapter: str) -> io.NodeOutput:
        from ..engine.adapters.files import load_adapter

        with host.computing():
            loaded = load_adapter(host.adapter_path(adapter))
        called = f"call it with: {loaded.trigger}" if loaded.trigger else "it names no trigger word"
        text = f"{loaded.name}: rank {loaded.rank}, {len(loaded.modules)} modules; {called}"
        tell(text)
        return io.NodeOutput(loaded, loaded.trigger, ui=shown(text=text))


class StackAdapters(io.ComfyNode):
    """One more adapter on a stack."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_StackAdapters",
            display_name="Stack Adapters",
            category=CATEGORY,
            description="Puts an adapter with its weights on a stack. Chain several of these for several adapters.",
            inputs=[
                sockets.Adapter.Input("adapter", tooltip="The adapter to put on the stack."),
                _weight("weight", "How strongly the adapter changes the pictures: 0 not at all, 1 as trained."),
                _weight(
                    "text_encoder_weight",
                    "The same for the adapter's text-encoder part; without effect where it has none.",
                ),
                io.Boolean.Input(
                    "enabled", default=True, tooltip="Switch the adapter off without taking the node out of the graph."
                ),
                sockets.Stack.Input("stack", optional=True, tooltip="The stack to add to; empty begins a new one."),
            ],
            outputs=[
                sockets.Stack.Output("stack", tooltip="The stack with this adapter at its end."),
                io.String.Output("triggers", tooltip="Trigger phrases of all adapters that are on, joined by commas."),
            ],
        )

    @classmethod
    def execute(
        cls, adapter: Adapter, weight: float, text_encoder_weight: float, enabled: bool, stack: Stack | None = None
    ) -> io.NodeOutput:
        from ..engine.adapters.stack import Stack, StackEntry

        entry = StackEntry(adapter, weight=weight, text_encoder_weight=text_encoder_weight, enabled=enabled)
        extended = (stack or Stack()).adding(entry)
        warnings = "\n".join(extended.warnings())
        tell(warnings)
        return io.NodeOutput(extended, ", ".join(extended.triggers()), ui=shown(text=warnings))


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
                sockets.Adapter.Input("adapter", tooltip="The adapter to save."),
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
    def execute(cls, adapter: Adapter, filename: str, dtype: Any) -> io.NodeOutput:
        from ..engine.adapters.keeping import keep

        name = or_else(filename.strip().removesuffix(SUFFIX), adapter.name)
        kept = keep(adapter, new_file(host.adapter_directory(), name), dtype=dtype)
        place = kept.path.relative_to(host.output_directory()).as_posix()
        text = f"{'saved' if kept.written else 'there already'}: {place}"
        tell(text)
        report = {"name": adapter.name, "path": place, "trigger": adapter.trigger, "written": kept.written}
        return io.NodeOutput(
            str(kept.path),
            ui={**shown(text=text, report=report), "lw_files": [{"path": place, "kind": "adapter"}]},
        )


def _weight(name: str, tooltip: str) -> io.Input:
    return io.Float.Input(
        name, default=1.0, min=-10.0, max=10.0, step=0.05,
        tooltip=f"{tooltip} Usual are 0.5 to 1; negative ones push the other way.",
    )  # fmt: skip

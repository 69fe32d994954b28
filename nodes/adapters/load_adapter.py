"""The node *Load Adapter*."""

from __future__ import annotations

from typing import Any

from ..host import host, io
from ..kit import sockets
from ..kit.adapters import about
from ..kit.inputs import problem
from ..kit.shown import shown, tell
from . import CATEGORY


class LoadAdapter(io.ComfyNode):
    """Load an adapter from a file."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LW_LoadAdapter",
            display_name="Load Adapter",
            category=CATEGORY,
            description="Loads an adapter, trained here or elsewhere: LoRA and other kinds, from a file or a folder of "
            "PEFT's.",
            inputs=[
                io.Combo.Input(
                    "adapter",
                    options=host().adapter_files(),
                    tooltip="A .safetensors file in the LoRA folders, including those saved by Save Adapter, or a "
                    "folder that PEFT saved there.",
                )
            ],
            outputs=[
                sockets.Adapter.Output("adapter", tooltip="The adapter. Its fit to a base model is checked on use."),
                io.String.Output(
                    "trigger", tooltip="Trigger phrase from the file's metadata, for prompts; empty if there is none."
                ),
            ],
        )

    @classmethod
    def validate_inputs(cls, adapter: str | None) -> bool | str:
        return problem(host().adapter_path, adapter)

    @classmethod
    def fingerprint_inputs(cls, adapter: str) -> list[Any]:
        from ...engine.adapters.folders import state

        return [*state(host().adapter_path(adapter))]

    @classmethod
    def execute(cls, adapter: str) -> io.NodeOutput:
        from ...engine.adapters.file_cache import FILES

        with host().computing():
            loaded = FILES.read(host().adapter_path(adapter)).adapter
        trigger = f"trigger phrase: {loaded.trigger}" if loaded.trigger else "no trigger phrase in the file"
        text = "\n".join([f"{loaded.name}: {loaded.description}; {trigger}", *about(loaded)])
        tell(text)
        return io.NodeOutput(loaded, loaded.trigger, ui=shown(text=text))

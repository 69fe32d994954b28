"""The node *Load Adapter*."""

from __future__ import annotations

from ..host import host, io
from ..kit import sockets
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
            description="Loads a LoRA file, trained here or elsewhere.",
            inputs=[
                io.Combo.Input(
                    "adapter",
                    options=host().adapter_files(),
                    tooltip="A .safetensors file in the LoRA folders, including those saved by Save Adapter.",
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
    def fingerprint_inputs(cls, adapter: str) -> list[int]:
        status = host().adapter_path(adapter).stat()
        return [status.st_mtime_ns, status.st_size]

    @classmethod
    def execute(cls, adapter: str) -> io.NodeOutput:
        from ...engine.adapters.file_cache import FILES

        with host().computing():
            loaded = FILES.read(host().adapter_path(adapter)).adapter
        trigger = f"trigger phrase: {loaded.trigger}" if loaded.trigger else "no trigger phrase in the file"
        text = f"{loaded.name}: rank {loaded.rank}, {len(loaded.modules)} modules; {trigger}"
        tell(text)
        return io.NodeOutput(loaded, loaded.trigger, ui=shown(text=text))

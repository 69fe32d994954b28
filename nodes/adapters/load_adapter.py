"""The node that loads adapters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, TypeAlias

from ..host import host, io
from ..kit import sockets
from ..kit.inputs import problem
from ..kit.shown import shown, tell

if TYPE_CHECKING:
    from torch import Tensor

    LoraModel: TypeAlias = Mapping[str, Tensor]
from . import CATEGORY


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
                    options=host().adapter_files(),
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
        called = f"call it with: {loaded.trigger}" if loaded.trigger else "it names no trigger word"
        text = f"{loaded.name}: rank {loaded.rank}, {len(loaded.modules)} modules; {called}"
        tell(text)
        return io.NodeOutput(loaded, loaded.trigger, ui=shown(text=text))

"""Adapters as inputs and outputs of nodes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..host import io
from . import sockets

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.adapters.adapter import Adapter

    LoraModel: TypeAlias = Mapping[str, Tensor]


def adapter_input(tooltip: str) -> io.Input:
    """Takes our adapters and the ``LORA_MODEL`` of ComfyUI's own trainer."""
    return io.MultiType.Input("adapter", types=[sockets.Adapter, io.LoraModel], tooltip=tooltip)


def as_adapter(value: Adapter | LoraModel) -> Adapter:
    """The value of an :func:`adapter_input` as an adapter.

    Raises:
        AdapterError: the state dict contains more than an adapter of a known kind.
    """
    from ...engine.adapters.adapter import Adapter
    from ...engine.adapters.files import adapter_from_tensors

    return value if isinstance(value, Adapter) else adapter_from_tensors(value, name="lora_model")


def about(adapter: Adapter) -> list[str]:
    """What reading its file told: who wrote it, where its strength comes from, and what was left out."""
    if adapter.origin is None:
        return []
    origin = adapter.origin
    return [f"written by {origin.writer}; scale: {origin.scale}", *origin.notes]


def triggers_output() -> io.Output:
    return io.String.Output("triggers", tooltip="Trigger phrases of all enabled adapters, comma-separated.")


def saved_adapters(files: Sequence[str]) -> dict[str, Any]:
    """The part of a node's ``ui`` that lists the adapter files it saved, by their paths below the output folder."""
    return {"lw_files": [{"path": file, "kind": "adapter"} for file in files]} if files else {}

"""Adapters of ours and of core's trainer, as inputs and outputs."""

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
    """An adapter of ours or of core's trainer."""
    return io.MultiType.Input("adapter", types=[sockets.Adapter, io.LoraModel], tooltip=tooltip)


def as_adapter(value: Adapter | LoraModel) -> Adapter:
    """What came through :func:`adapter_input`.

    Raises:
        AdapterError: a state dict that holds more than a LoRA.
    """
    from ...engine.adapters.adapter import Adapter
    from ...engine.adapters.files import adapter_from_tensors

    return value if isinstance(value, Adapter) else adapter_from_tensors(value, name="lora_model")


def saved_adapters(files: Sequence[str]) -> dict[str, Any]:
    """The part of a node's ``ui`` that names the adapter files it saved, by their paths below the output folder."""
    return {"lw_files": [{"path": file, "kind": "adapter"} for file in files]} if files else {}

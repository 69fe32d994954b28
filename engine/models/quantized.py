"""Denoisers whose frozen weights are stored in 8 bits or less.

A quantized layer holds two buffers, values and scales, in place of its weight. Each pass unpacks them into the dtype
of the activations and drops the weight again, so that at most one layer's weight is there in 16 bits at a time. Its
``weight`` is computed when it is asked for. Nothing else about the layer changes, so that adapters of every kind go
into it as into any other.
"""

from __future__ import annotations

from functools import cache
from math import prod
from typing import TYPE_CHECKING, Any

from ..core.devices import is_out_of_memory
from ..core.errors import BaseModelError
from ..core.hashing import value_hash
from ..core.precision import GB, QUANTIZED, Precision
from .formats import FORMATS, check_format
from .frozen_layers import made_ready_for_each_pass

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

VERSION = 1
"""Raised when a format gives other values for the same weights."""
LEAST = 1024
"""Weights of a layer that is worth quantizing."""
_PACKED = ("values", "scale")
"""The buffers in place of a weight."""


def identity(content_hash: str, precision: Precision) -> str:
    """The content hash of a base model in this precision: quantized, it is another one."""
    return value_hash(content_hash, precision.format, VERSION) if precision.format else content_hash


def place(
    root: nn.Module, device: torch.device, precision: Precision, memory_format: torch.memory_format | None = None
) -> None:
    """Move a frozen model to its device, module by module, in this precision.

    The linear layers and convolutions of its blocks are quantized. What comes before and after the blocks, embeddings,
    norms, biases and the smallest layers stay in ``precision.dtype``. In ``nf4``, convolutions are kept in int8: NF4
    was made for, and is used with, linear layers.

    Args:
        root: its weights are replaced; where it was read from a file, they needn't have been in memory before.
        device: of the result.
        precision: as from ``pick_precision``.
        memory_format: of weights and buffers with 4 dimensions.

    Raises:
        BaseModelError: the format can't be used on the device, or the weights don't fit there.
    """
    if precision.format:
        check_format(precision.format, device)
    size = size_in(root, precision.format) * (1 if precision.format else precision.dtype.itemsize / 2)
    try:
        _place(root, device, precision, memory_format)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        smaller = [name for name, bits in QUANTIZED.items() if bits < QUANTIZED.get(precision.format, 16)]
        raise BaseModelError(
            f"The weights of {type(root).__name__} don't fit on {device}: they take "
            f"{size / GB:.1f} GB in {precision.format or str(precision.dtype).removeprefix('torch.')}.",
            expected="room for all weights, and for a step beside them",
            hint=f"load it in fewer bits ({', '.join(smaller)}), or close other programs that use the device."
            if smaller
            else "close other programs that use the device, or train a smaller base model.",
        ) from error


def _place(
    root: nn.Module, device: torch.device, precision: Precision, memory_format: torch.memory_format | None
) -> None:
    import torch

    layout = memory_format or torch.preserve_format
    if not precision.format:
        root.to(device, precision.dtype, memory_format=layout)  # type: ignore[call-overload]
        return
    in_blocks = _in_blocks(root)

    def moved(tensor: Tensor, dtype: torch.dtype = precision.dtype) -> Tensor:
        dtype = dtype if tensor.is_floating_point() else tensor.dtype
        return tensor.to(device).to(dtype, memory_format=layout if tensor.ndim == 4 else torch.preserve_format)

    for module in root.modules():
        if id(module) not in in_blocks or not _worthwhile(module):
            module._apply(moved, recurse=False)
            continue
        name = _format_for(module, precision.format)
        weight = module._parameters.pop("weight")
        packed = FORMATS[name].pack(moved(weight.detach(), weight.dtype))  # type: ignore[union-attr]
        del weight
        module._apply(moved, recurse=False)
        _become_quantized(module, name, packed, precision.dtype)


def size_in(root: nn.Module, name: str) -> int:
    """Bytes that a model's weights would take as ``place`` stores them, without the scales of rows.

    Args:
        root: in whatever dtype or format it is.
        name: a format, or empty for 16 bits.
    """
    in_blocks, size = _in_blocks(root), 0.0
    for module in root.modules():
        is_packed = hasattr(module, "weight_shape")
        is_to_pack = bool(name) and id(module) in in_blocks and _worthwhile(module)
        left_out = (*_PACKED, "weight") if is_packed or is_to_pack else ()
        own = {**module._parameters, **module._buffers}
        size += sum(2 * tensor.numel() for key, tensor in own.items() if tensor is not None and key not in left_out)
        if left_out:
            bits = QUANTIZED[_format_for(module, name)] if is_to_pack else 16
            size += prod(weight_shape(module)) * bits / 8
    return round(size)


def weight_shape(layer: Any) -> tuple[int, ...]:
    """Shape of a layer's weight, which quantized layers tell without unpacking it."""
    return layer.weight_shape if hasattr(layer, "weight_shape") else tuple(layer.weight.shape)


def _in_blocks(root: nn.Module) -> set[int]:
    """Ids of the modules in blocks, which models have in lists."""
    from torch import nn

    lists = [module for module in root.modules() if isinstance(module, nn.ModuleList)]
    return {id(module) for blocks in lists for module in blocks.modules()}


def _worthwhile(layer: Any) -> bool:
    """Whether it is a linear layer or a convolution of the kinds that are quantized, and large enough."""
    from torch import nn

    linear = isinstance(layer, nn.Linear)
    convolution = isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d)
    if not linear and not (convolution and layer.padding_mode == "zeros" and isinstance(layer.padding, tuple)):
        return False
    return prod(weight_shape(layer)) >= LEAST


def _format_for(layer: Any, name: str) -> str:
    """The format that a layer is stored in, in a model that is stored in this one."""
    from torch import nn

    return "int8" if name == "nf4" and not isinstance(layer, nn.Linear) else name


def _become_quantized(layer: Any, name: str, packed: tuple[Tensor, Tensor], dtype: torch.dtype) -> None:
    """Make the layer, which has lost its weight, one of our class with its packed weight."""
    layer.__class__ = _quantized_class(type(layer))
    for buffer, tensor in zip(_PACKED, packed, strict=True):
        layer.register_buffer(buffer, tensor)
    layer.format, layer.dtype = name, dtype


@cache
def _quantized_class(kind: type) -> type:
    """A subclass of a layer's class whose weight is packed."""
    import torch

    def weight_shape(self: Any) -> tuple[int, ...]:
        if isinstance(self, torch.nn.Linear):
            return self.out_features, self.in_features
        return self.out_channels, self.in_channels // self.groups, *self.kernel_size

    def weight(self: Any) -> Tensor:
        return FORMATS[self.format].unpack(self.values, self.scale, self.weight_shape, self.dtype)

    def forward(self: Any, x: Tensor) -> Tensor:
        return made_ready_for_each_pass(self, x, _unpacked)

    members = {
        "weight": property(weight, doc="The weight in the dtype of the activations, unpacked for whoever asks."),
        "weight_shape": property(weight_shape),
        "forward": forward,
        "__module__": kind.__module__,
    }
    return type(kind.__name__, (kind,), members)


def _unpacked(layer: Any, like: Tensor) -> tuple[Tensor, Tensor | None]:
    return layer.weight.to(like.dtype), layer.bias

"""A second tree of modules over the weights of a loaded model: autograd can use it, the model itself stays untouched.

ComfyUI loads weights under ``torch.inference_mode``, and autograd refuses such tensors for ever. It takes a normal
tensor over the same storage, though: a mirror has one in place of each weight, so nothing is copied. Adapters are
injected into the mirror, never into the model, which therefore is what it was whatever happens to a training.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from ...engine.core.layers import layers_of
from ...engine.models.frozen_layers import compute, made_ready_for_each_pass
from .cast_room import CastRoom
from .seam import COMFY

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

M = TypeVar("M")
"""A module, by its class or by one of our protocols."""


def mirrored(root: M, compute_dtype: torch.dtype | None = None) -> M:
    """The tree of modules again, over the same storages; call it outside inference mode.

    Layers whose weights can't be used as they lie (quantized, offloaded to another device, patched while they are used,
    or of another dtype than the activations) make them ready for each use, in the forward and the backward pass, and
    keep nothing in between.

    Args:
        root: any module; not changed.
        compute_dtype: dtype of the activations, where it isn't that of the weights.
    """
    walk: Any = _Mirror(compute_dtype)
    return walk.module(root)


def twin(root: M) -> M:
    """The root again with the same modules below it, which can be replaced in one without the other."""
    again: Any = copy.copy(root)
    again._modules = dict(again._modules)
    return again


def normal(tensor: Tensor) -> Tensor:
    """A tensor over the same storage that autograd accepts; itself where it isn't a plain tensor with a storage."""
    import torch

    if not tensor.is_inference():
        return tensor.detach()
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter) or tensor.is_meta:
        return tensor
    alias = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
    return alias.set_(tensor.untyped_storage(), tensor.storage_offset(), tensor.size(), tensor.stride())


def weights_of(component: str, root: nn.Module, device: torch.device) -> Iterator[tuple[str, Tensor]]:
    """(module key, weight) of each linear layer and convolution of a mirror, with the model's own patches.

    They are copied to the CPU: another model that shares weights with this one may be loaded after it.

    Args:
        component: its name.
        root: the mirror of a loaded model.
        device: that it is loaded to.
    """
    import torch

    like = torch.empty(0, device=device)
    for key, layer in layers_of(component, root).items():
        weight = layer.weight if _is_plain(layer, like) else _made_ready(layer, like)[0]
        yield key, weight.detach().to("cpu", copy=True)


class _Mirror:
    """One walk through a tree; what stands in several places of it does so in the mirror."""

    def __init__(self, compute_dtype: torch.dtype | None) -> None:
        self._dtype = compute_dtype
        self._modules: dict[int, nn.Module] = {}
        self._tensors: dict[int, Tensor] = {}
        self._cast_room = CastRoom()

    def module(self, source: nn.Module) -> nn.Module:
        if (known := self._modules.get(id(source))) is not None:
            return known
        copy = object.__new__(_differentiable(type(source)))
        copy.__dict__.update(source.__dict__)
        self._modules[id(source)] = copy
        own = copy.__dict__
        own["_parameters"] = {name: self._parameter(p) for name, p in source._parameters.items()}
        own["_buffers"] = {name: b if b is None else normal(b) for name, b in source._buffers.items()}
        own["_modules"] = {name: m if m is None else self.module(m) for name, m in source._modules.items()}
        if self._dtype is not None and hasattr(source, "comfy_cast_weights"):
            own["comfy_cast_weights"] = True
        own["cast_room"] = self._cast_room
        return copy

    def _parameter(self, parameter: Any) -> Any:
        import torch

        if parameter is None:
            return None
        if id(parameter) not in self._tensors:
            alias = normal(parameter)
            plain = alias is not parameter
            self._tensors[id(parameter)] = torch.nn.Parameter(alias, requires_grad=False) if plain else parameter
        return self._tensors[id(parameter)]


def _differentiable(kind: type) -> type:
    """The class that stands for a class of modules in a mirror."""
    import torch

    for name in ("Linear", "Conv1d", "Conv2d", "Conv3d"):
        layer = getattr(torch.nn, name)
        # Quantized linear layers have torch's name, but aren't of torch's class, by which peft knows what to adapt.
        if issubclass(kind, layer) or (kind.__name__ == name and issubclass(kind, COMFY.CastWeightBiasOp)):
            return _layer_class(kind, layer)
    return _clip_layer_class() if kind is COMFY.CLIPLayer else kind


@cache
def _clip_layer_class() -> type[Any]:
    """CLIP's layer without its additions in place: they overwrite what the backward pass needs.

    Activations that are overwritten after they were saved also keep their graph alive for ever, if it is never used.
    """

    class CLIPLayer(COMFY.CLIPLayer):
        def forward(self, x: Tensor, mask: Tensor | None = None, optimized_attention: Any = None) -> Tensor:
            x = x + self.self_attn(self.layer_norm1(x), mask, optimized_attention)
            return x + self.mlp(self.layer_norm2(x))

    return CLIPLayer


@cache
def _layer_class(kind: type, layer: type) -> type:
    """A subclass of ComfyUI's layer and of torch's, differentiable with respect to its input."""
    bases = (kind,) if issubclass(kind, layer) else (kind, layer)

    def forward(self: Any, x: Tensor, *more: Any, **options: Any) -> Tensor:
        if more or options:
            return kind.forward(self, x, *more, **options)  # type: ignore[attr-defined]
        COMFY.run_every_op()
        if _is_ready(self, x):
            return compute(self, x, self.weight, self.bias)
        return made_ready_for_each_pass(self, x, _made_ready)

    return type(kind.__name__, bases, {"forward": forward, "__module__": kind.__module__})


def _is_ready(layer: Any, x: Tensor) -> bool:
    """Whether the weights can be used as they lie."""
    return _is_plain(layer, x) and all(tensor.dtype == x.dtype for tensor in _weights(layer))


def _is_plain(layer: Any, x: Tensor) -> bool:
    """Whether the weights lie unquantized and unpatched on the device of ``x``."""
    import torch

    plain = all(type(tensor) is torch.nn.Parameter and tensor.device == x.device for tensor in _weights(layer))
    return plain and not layer.weight_function and not layer.bias_function


def _weights(layer: Any) -> list[Tensor]:
    return [layer.weight] if layer.bias is None else [layer.weight, layer.bias]


def _made_ready(layer: Any, like: Tensor) -> tuple[Tensor, Tensor | None]:
    """Weight and bias on the device and in the dtype of ``like``, with all of the model's own patches."""
    import torch

    if type(like) is torch.Tensor and like.device.type == "cpu" and _is_plain(layer, like):
        bias = None if layer.bias is None else layer.bias.to(like.dtype)
        return layer.cast_room.cast(layer.weight, like.dtype), bias
    weight, bias = COMFY.cast_bias_weight(layer, like)
    if type(weight) not in (torch.Tensor, torch.nn.Parameter):
        weight = weight.dequantize().to(like.dtype)
    return weight, bias

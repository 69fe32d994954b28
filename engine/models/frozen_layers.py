"""Frozen layers whose weights aren't ready as they lie: they are made ready for each pass, and nothing of it is kept.

Autograd would keep the ready weights of every layer until the backward pass, which would fill the device.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from .convolution import input_gradient, suits

if TYPE_CHECKING:
    from torch import Tensor

    MakeReady = Callable[[Any, Tensor], tuple[Tensor, Tensor | None]]
    """A layer and a tensor -> weight and bias on the tensor's device, in its dtype."""


def compute(layer: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The output of a linear layer or a convolution with this weight and bias in place of its own."""
    import torch

    if isinstance(layer, torch.nn.Linear):
        return torch.nn.functional.linear(x, weight, bias)
    return layer._conv_forward(x, weight, bias)


def made_ready_for_each_pass(layer: Any, x: Tensor, make_ready: MakeReady) -> Tensor:
    """The output of a layer, differentiable with respect to ``x``.

    Args:
        layer: linear, or a convolution that is padded with zeros.
        x: its input.
        make_ready: called in the forward and again in the backward pass; it must give the same values in both.
    """
    return _function().apply(x, layer, make_ready)


@cache
def _function() -> Any:
    import torch
    import torch.nn.grad

    class MadeReadyForEachPass(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, layer: Any, make_ready: MakeReady) -> Tensor:
            ctx.layer, ctx.make_ready, ctx.shape = layer, make_ready, x.shape
            return compute(layer, x, *make_ready(layer, x))

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
            layer = ctx.layer
            weight, _ = ctx.make_ready(layer, gradient)
            if isinstance(layer, torch.nn.Linear):
                return gradient @ weight, None, None
            places = (layer.stride, layer.padding, layer.dilation, layer.groups)
            if suits(gradient, weight, *places):
                return input_gradient(gradient, weight), None, None
            backwards = getattr(torch.nn.grad, f"conv{gradient.ndim - 2}d_input")
            return backwards(ctx.shape, weight, gradient, *places), None, None

    return MadeReadyForEachPass

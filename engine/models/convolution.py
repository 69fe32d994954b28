"""Convolutions of few pixels with many frozen weights, in bf16 on a CPU.

oneDNN brings the weights into an order of its own at each call, which takes longer than the convolution itself where
there are few pixels: the lower blocks of a UNet. As one product of the pixels' neighborhoods with the weights as they
lie, nothing is reordered in either direction, and no second copy of the weights is kept.

``benchmarks/quick_operations.py`` compares it with torch's.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_MOST_PIXELS = 512
"""Of a batch. Above, reordering is a small part of torch's convolution."""
_FEWEST_WEIGHTS = 2**20


def convolution(
    input: Tensor, weight: Tensor, bias: Tensor | None = None, stride: Any = 1, padding: Any = 0,  # noqa: A002 - as in torch
    dilation: Any = 1, groups: int = 1,
) -> Tensor:  # fmt: skip
    """What torch's ``conv2d`` gives, which also computes whatever it is quicker at.

    Args:
        input: (B, C, H, W).
        weight: (O, C, kernel, kernel).
        bias: (O,).
        stride: as in torch, like those that follow.

    Returns:
        (B, O, H', W').
    """
    import torch

    if not weight.requires_grad and suits(input, weight, stride, padding, dilation, groups):
        return _function().apply(input, weight, bias)
    return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)


def suits(x: Tensor, weight: Tensor, stride: Any, padding: Any, dilation: Any, groups: int) -> bool:
    """Whether a convolution is quicker here: in bf16, of few pixels, and with an output as large as its input."""
    import torch

    kernel = weight.shape[-1]
    return (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.bfloat16
        and x.ndim == 4
        and groups == 1
        and x.shape[0] * x.shape[2] * x.shape[3] <= _MOST_PIXELS
        and weight.numel() >= _FEWEST_WEIGHTS
        and kernel % 2 == 1
        and _is(stride, 1)
        and _is(dilation, 1)
        and _is(padding, kernel // 2)
    )


def _is(setting: Any, wanted: int) -> bool:
    """Whether a setting of a convolution has this value in both directions."""
    return setting in (wanted, (wanted, wanted))


def input_gradient(gradient: Tensor, weight: Tensor) -> Tensor:
    """The gradient (B, C, H, W) of a convolution's input, given that of its output, (B, O, H, W), where ``suits``."""
    import torch

    batch, _, height, width = gradient.shape
    kernel, channels = weight.shape[-1], weight.shape[1]
    spread = gradient.movedim(1, -1).flatten(0, 2) @ _matrix(weight)
    axis = _axis_of_places(weight)
    split = (channels, kernel**2) if axis == -1 else (kernel**2, channels)
    parts = spread.view(batch, height, width, *split).unbind(axis)
    padded = torch.zeros(batch, height + kernel - 1, width + kernel - 1, channels, device=gradient.device)
    for part, place in zip(parts, _places(padded, kernel), strict=True):
        place += part
    edge = kernel // 2
    return padded[:, edge : edge + height, edge : edge + width].to(gradient.dtype).movedim(-1, 1)


@cache
def _function() -> Any:
    import torch

    class Convolution(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
            ctx.save_for_backward(weight)
            return _forward(x, weight, bias)

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:  # type: ignore[override]
            (weight,) = ctx.saved_tensors
            return input_gradient(gradient, weight), None, None

    return Convolution


def _forward(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    import torch
    from torch.nn import functional

    kernel = weight.shape[-1]
    edge = kernel // 2
    padded = functional.pad(x.movedim(1, -1), (0, 0, edge, edge, edge, edge))
    neighborhoods = torch.stack([*_places(padded, kernel)], dim=_axis_of_places(weight)).flatten(3)
    return functional.linear(neighborhoods, _matrix(weight), bias).movedim(-1, 1)


def _places(padded: Tensor, kernel: int) -> Iterator[Tensor]:
    """Views (B, H, W, C) of a padded tensor: what each place of the kernel sees."""
    height, width = (side - kernel + 1 for side in padded.shape[1:3])
    for row in range(kernel):
        for column in range(kernel):
            yield padded[:, row : row + height, column : column + width]


def _matrix(weight: Tensor) -> Tensor:
    """(O, C, kernel, kernel) -> (O, all others) in the order in which they lie."""
    return weight.flatten(1) if _axis_of_places(weight) == -1 else weight.movedim(1, -1).flatten(1)


def _axis_of_places(weight: Tensor) -> int:
    """Which axis of (O, C, places) or (O, places, C) has the kernel's places, by how the weight lies."""
    return -1 if weight.is_contiguous() else -2

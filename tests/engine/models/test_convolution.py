"""Convolutions as products beside torch's own, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lora_workbench.engine.core.devices import cpu_multiplies_bf16
from lora_workbench.engine.models.convolution import convolution, suits

pytestmark = pytest.mark.skipif(not cpu_multiplies_bf16(), reason="this CPU doesn't multiply bf16")


def parts(kernel: int, layout: torch.memory_format) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Input, weight and bias of a large convolution over 2 × 9 × 7 pixels."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 384, 9, 7, generator=generator)
    weight = torch.randn(320 * 9 // kernel**2, 384, kernel, kernel, generator=generator) / 50
    bias = torch.randn(len(weight), generator=generator)
    x, weight = (tensor.bfloat16().contiguous(memory_format=layout) for tensor in (x, weight))
    return x, weight, bias.bfloat16()


def passes(convolve: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> list[torch.Tensor]:
    """Output and the gradient of the input."""
    x = x.clone().requires_grad_()
    out = convolve(x, weight, bias, padding=weight.shape[-1] // 2)
    gradient = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    out.backward(gradient.bfloat16().to(out.dtype))
    assert x.grad is not None
    return [out.detach(), x.grad]


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("kernel", [1, 3])
def test_outputs_and_gradients_are_those_of_float64(kernel: int, layout: torch.memory_format) -> None:
    x, weight, bias = parts(kernel, layout)
    assert suits(x, weight, 1, kernel // 2, 1, 1)
    found = passes(convolution, x, weight, bias)
    exact = passes(torch.conv2d, x.double(), weight.double(), bias.double())
    for own, wanted in zip(found, exact, strict=True):
        assert own.shape == wanted.shape
        assert (own.double() - wanted).norm() < 0.006 * wanted.norm()


def test_it_gives_the_same_bits_at_each_call() -> None:
    tensors = parts(3, torch.channels_last)
    first, second = passes(convolution, *tensors), passes(convolution, *tensors)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("options", [{"stride": 2}, {"padding": 0}, {"dilation": 2, "padding": 2}, {"padding": "same"}])
def test_what_it_does_not_compute_is_torchs(options: dict[str, Any]) -> None:
    x, weight, bias = parts(3, torch.channels_last)
    assert torch.equal(convolution(x, weight, bias, **options), torch.conv2d(x, weight, bias, **options))


def test_weights_that_are_trained_have_gradients() -> None:
    x, weight, bias = parts(3, torch.channels_last)
    convolution(x, weight.requires_grad_(), bias, padding=1).sum().backward()
    assert weight.grad is not None

"""Which operations are replaced, and where."""

from __future__ import annotations

import pytest
import torch
from lora_workbench.engine.core.devices import cpu_multiplies_bf16
from lora_workbench.engine.models.attention import attention
from lora_workbench.engine.models.convolution import convolution
from lora_workbench.engine.models.quick_operations import quick_operations
from torch.nn import functional

CPU = torch.device("cpu")


@pytest.mark.skipif(not cpu_multiplies_bf16(), reason="this CPU doesn't multiply bf16")
def test_they_take_the_place_of_torchs_in_bf16_on_a_cpu() -> None:
    query, key, value = torch.randn(3, 1, 2, 256, 64).bfloat16()
    layer = torch.nn.Conv2d(512, 512, 3, padding=1).bfloat16().requires_grad_(False)
    x = torch.randn(1, 512, 8, 8).bfloat16()
    with quick_operations(CPU, torch.bfloat16):
        attended, convolved = functional.scaled_dot_product_attention(query=query, key=key, value=value), layer(x)
    assert torch.equal(attended, attention(query, key, value))
    assert not torch.equal(attended, functional.scaled_dot_product_attention(query, key, value))
    assert torch.equal(convolved, convolution(x, layer.weight, layer.bias, padding=1))


def test_nothing_changes_in_float32() -> None:
    query, key, value = torch.randn(3, 1, 2, 256, 64)
    with quick_operations(CPU, torch.float32):
        attended = functional.scaled_dot_product_attention(query, key, value)
    assert torch.equal(attended, functional.scaled_dot_product_attention(query, key, value))

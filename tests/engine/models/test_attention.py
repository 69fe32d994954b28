"""Attention by blocks beside torch's own, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lora_workbench.engine.core.devices import cpu_multiplies_bf16
from lora_workbench.engine.models.attention import attention
from torch.nn import functional

pytestmark = pytest.mark.skipif(not cpu_multiplies_bf16(), reason="this CPU doesn't multiply bf16")
torch_attention = functional.scaled_dot_product_attention
BLOCKED = "BlockedAttention"


def inputs(tokens: int, keys: int, width: int, *, spread: float = 1.0, offset: float = 0.0) -> list[torch.Tensor]:
    """Query, key, value and the output's gradient, laid out as a transformer's layers give them."""
    generator = torch.Generator().manual_seed(0)
    made = [torch.randn(2, n, 3, width, generator=generator) for n in (tokens, keys, keys, tokens)]
    made[0], made[1] = made[0] * spread + offset, made[1] * spread + offset
    return [tensor.bfloat16().transpose(1, 2) for tensor in made]


def passes(attend: Any, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    """Output and the gradients of query, key and value."""
    *leaves, gradient = (tensor.detach().clone() for tensor in tensors)
    for leaf in leaves:
        leaf.requires_grad_()
    out = attend(*leaves)
    out.backward(gradient)
    return [out.detach(), *(leaf.grad for leaf in leaves if leaf.grad is not None)]


def error(found: torch.Tensor, wanted: torch.Tensor) -> float:
    return ((found.double() - wanted).norm() / wanted.norm()).item()


@pytest.mark.parametrize(
    ("tokens", "keys", "width"), [(1100, 1100, 40), (1024, 77, 64), (256, 1024, 128), (300, 300, 24)]
)
def test_outputs_and_gradients_are_those_of_float64(tokens: int, keys: int, width: int) -> None:
    tensors = inputs(tokens, keys, width)
    wanted = passes(torch_attention, [tensor.double() for tensor in tensors])
    found = passes(attention, tensors)
    assert attention(*(tensor.requires_grad_() for tensor in tensors[:3])).grad_fn.name().startswith(BLOCKED)
    assert all(error(own, exact) < 0.006 for own, exact in zip(found, wanted, strict=True))


@pytest.mark.parametrize(("spread", "offset"), [(3.0, 0.0), (1.0, 8.0), (0.01, 30.0)])
def test_large_scores_lose_no_more_than_rounded_queries(spread: float, offset: float) -> None:
    tensors = inputs(512, 512, 64, spread=spread, offset=offset)
    wanted = passes(torch_attention, [tensor.double() for tensor in tensors])
    for own, torchs, exact in zip(passes(attention, tensors), passes(torch_attention, tensors), wanted, strict=True):
        assert own.isfinite().all()
        assert error(own, exact) < 2.5 * error(torchs, exact) + 0.005


def test_it_gives_the_same_bits_at_each_call() -> None:
    tensors = inputs(1024, 1024, 40)
    first, second = passes(attention, tensors), passes(attention, tensors)
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_scale_is_used() -> None:
    query, key, value, _ = inputs(512, 512, 64)
    wanted = torch_attention(query.double(), key.double(), value.double(), scale=0.3)
    assert error(attention(query, key, value, scale=0.3), wanted) < 0.006


@pytest.mark.parametrize("options", [{"is_causal": True}, {"attn_mask": torch.ones(256, 256).tril().bool()}])
def test_what_it_does_not_compute_is_torchs(options: dict[str, Any]) -> None:
    query, key, value, _ = inputs(256, 256, 64)
    assert torch.equal(attention(query, key, value, **options), torch_attention(query, key, value, **options))


def test_fewer_heads_of_keys_than_of_queries_are_torchs() -> None:
    query, key, value, _ = inputs(256, 256, 64)
    few = (query, key[:, :1], value[:, :1])
    assert torch.equal(attention(*few, enable_gqa=True), torch_attention(*few, enable_gqa=True))

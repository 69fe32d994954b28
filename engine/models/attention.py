r"""Attention with a quick backward pass for training in bf16 on a CPU, where torch's own is slow.

The scores of a block of queries with all keys are computed, used and forgotten while they are in the cache; only
:math:`L_i = \log \sum_j e^{s_{ij}}` is kept, and the backward pass computes the probabilities
:math:`P_{ij} = e^{s_{ij} - L_i}` again (Dao 2023, arXiv:2307.08691, algorithms 1 and 2). With
:math:`D = \sum dO \circ O`:

.. math:: dV = P^T dO, \quad dS = P \circ (dO\,V^T - D), \quad dQ = dS\,K, \quad dK = dS^T Q

Each is one product of oneDNN, which also does what comes after it while it has float32 sums in registers:

- Rows are lowered by L and D inside the product, by two more columns of the left side that stand against ones. Two
  bf16 numbers hold 16 bits of each.
- oneDNN has no exponential after a product, but it has the sigmoid, :math:`e^x / (1 + e^x)`. For
  :math:`x \le -12 \ln 2` that is :math:`e^x` up to a relative 2^-12, which is less than the 2^-9 of rounding to bf16.
  So rows are lowered by another 12 ln 2, and the 2^12 is put back where it is exact.

``benchmarks/quick_operations.py`` compares it with torch's.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

_FEWEST_SCORES = 2**14
"""Of one head. Below, torch's attention is as fast."""
_BLOCK = 2**20
"""Scores that are computed at a time: 2 MB."""
_MARGIN = 12
_LOG_MARGIN = _MARGIN * math.log(2)
_WIDEST = 35.0
"""Scores that differ by twice this much keep their ratios in float32."""


def attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
    is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
) -> Tensor:  # fmt: skip
    """What torch's ``scaled_dot_product_attention`` gives, which also computes whatever it is quicker at.

    The result has the same bits at each call. Beside torch's, queries are rounded to bf16 once more, after scaling.

    Args:
        query: (B, H, N, D).
        key: (B, H, M, D).
        value: (B, H, M, V).
        attn_mask: as in torch, like those that follow.

    Returns:
        (B, H, N, V).
    """
    from torch.nn.functional import scaled_dot_product_attention

    if attn_mask is None and not dropout_p and not is_causal and _suit(query, key, value):
        return _function().apply(query, key, value, query.shape[-1] ** -0.5 if scale is None else scale)
    return scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=scale, enable_gqa=enable_gqa
    )


def _suit(*tensors: Tensor) -> bool:
    """Whether query, key and value have values, are bf16, have the same heads, and are many."""
    import torch

    query, key, _ = tensors
    return (
        hasattr(torch.ops.mkldnn, "_linear_pointwise")
        and all(type(tensor) is torch.Tensor and tensor.dtype == torch.bfloat16 for tensor in tensors)
        and {tensor.shape[:-2] for tensor in tensors} == {query.shape[:2]}
        and query.shape[-2] * key.shape[-2] >= _FEWEST_SCORES
    )


@cache
def _function() -> Any:
    import torch

    class BlockedAttention(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
            out, log_sums = _forward(query * scale, key, value)
            ctx.save_for_backward(query, key, value, out, log_sums)
            ctx.scale = scale
            return out

        @staticmethod
        def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:  # type: ignore[override]
            query, key, value, out, log_sums = ctx.saved_tensors
            of_query, of_key, of_value = _backward(query * ctx.scale, key, value, out, log_sums, gradient)
            return of_query * ctx.scale, of_key, of_value, None

    return BlockedAttention


def _forward(query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
    """The output, laid out as (B, N, H, V), and L, (B, H, N); ``query`` is scaled."""
    import torch

    batch, heads, tokens, _ = query.shape
    out = query.new_empty(batch, tokens, heads, value.shape[-1]).transpose(1, 2)
    log_sums = query.new_empty(batch, heads, tokens, dtype=torch.float32)
    for q, k, v, o, sums in _heads(query, key, value, out, log_sums):
        shift = _shift(q, k) + _LOG_MARGIN
        left, right = _less(q, shift), _with_ones(k)
        for rows in _blocks(q, k):
            powers = _exp_of_product(left[rows], right)
            total = _row_sums(powers)
            o[rows] = (powers @ v) / total[:, None]
            sums[rows] = shift[rows] + total.log()
    return out, log_sums


def _backward(
    query: Tensor, key: Tensor, value: Tensor, out: Tensor, log_sums: Tensor, gradient: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of query, key and value; ``query`` is scaled."""
    import torch

    of_query = torch.empty_like(query)
    of_key, of_value = (torch.zeros_like(tensor, dtype=torch.float32) for tensor in (key, value))
    gradient = gradient * 2**_MARGIN
    for q, k, v, o, sums, g, dq, dk, dv in _heads(
        query, key, value, out, log_sums, gradient, of_query, of_key, of_value
    ):
        left, right = _less(q, sums + _LOG_MARGIN), _with_ones(k)
        left_of_values, right_of_values = _less(g, (g.float() * o.float()).sum(-1)), _with_ones(v)
        for rows in _blocks(q, k):
            probabilities = _exp_of_product(left[rows], right)
            of_scores = _times_product(probabilities, left_of_values[rows], right_of_values)
            dv += probabilities.t() @ g[rows]
            dq[rows] = of_scores @ k
            dk += of_scores.t() @ q[rows]
    return of_query, of_key.to(key.dtype), of_value.to(value.dtype)


def _heads(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """The tensors' parts of each head of each sample, as views."""
    return zip(*(chain.from_iterable(tensor) for tensor in tensors), strict=True)


def _blocks(query: Tensor, key: Tensor) -> list[slice]:
    """Rows of one head's queries that are computed together."""
    rows = max(1, _BLOCK // len(key))
    return [slice(start, start + rows) for start in range(0, len(query), rows)]


def _shift(query: Tensor, key: Tensor) -> Tensor:
    """What each row of scores may be lowered by, so that none is above 0 and the highest keeps its digits, (N,).

    It is the bound of Cauchy and Schwarz, which costs little, or the maximum where that bound is too wide.
    """
    import torch

    bound = query.float().norm(dim=-1) * key.float().norm(dim=-1).amax()
    if bound.amax() <= _WIDEST:
        return bound
    return torch.cat([(query[rows] @ key.t()).amax(-1).float() for rows in _blocks(query, key)])


def _less(left: Tensor, rows: Tensor) -> Tensor:
    """The left side of a product whose rows are lowered by these numbers, given ``_with_ones`` as its right side."""
    import torch

    high = rows.to(left.dtype)
    low = (rows - high.float()).to(left.dtype)
    return torch.cat([left, -high[:, None], -low[:, None]], dim=-1)


def _with_ones(right: Tensor) -> Tensor:
    import torch

    return torch.cat([right, right.new_ones(len(right), 2)], dim=-1)


def _exp_of_product(left: Tensor, right: Tensor) -> Tensor:
    """``exp(left @ right.T)`` for products that are at most -12 ln 2."""
    import torch

    return torch.ops.mkldnn._linear_pointwise(left, right, None, "sigmoid", [], "")


def _times_product(factor: Tensor, left: Tensor, right: Tensor) -> Tensor:
    """``factor * (left @ right.T)``."""
    import torch

    return torch.ops.mkldnn._linear_pointwise.binary(left, factor, right, None, "mul")


def _row_sums(powers: Tensor) -> Tensor:
    """In float32. torch would first copy all of them to float32, and sums in bf16 are rounded, so few go into each."""
    import torch

    parts = powers.unflatten(1, (-1, 64)).sum(-1) if powers.shape[1] % 64 == 0 else powers
    return parts.sum(-1, dtype=torch.float32)

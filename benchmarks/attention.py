"""Attention in bf16 on a CPU: ours by blocks beside torch's own, forward and backward.

    python benchmarks/attention.py

The two take turns in one process; told are the median milliseconds of each pass. On one thread of an AMD EPYC with
AVX512-bf16 and torch 2.13, both passes together take about half of torch's time: 2.1 to 2.3 times the speed at the
sizes of SD1.5, SDXL and a transformer with heads of 128.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from lora_workbench.engine.models.attention import attention
from torch.nn.functional import scaled_dot_product_attention

SHAPES = ((1, 8, 4096, 40), (1, 8, 1024, 80), (1, 10, 4096, 64), (1, 24, 1536, 128))
"""(B, heads, tokens, width of a head)."""
REPEATS = 4


def passes(attend: Any, shape: tuple[int, ...]) -> tuple[float, float]:
    """Milliseconds of the forward and of the backward pass."""
    *inputs, gradient = (torch.randn(shape).bfloat16() for _ in range(4))
    for tensor in inputs:
        tensor.requires_grad_()
    began = time.perf_counter()
    out = attend(*inputs)
    between = time.perf_counter()
    out.backward(gradient)
    return 1e3 * (between - began), 1e3 * (time.perf_counter() - between)


def main() -> None:
    for shape in SHAPES:
        found: dict[str, list[tuple[float, float]]] = {"torch": [], "blocks": []}
        for _ in range(REPEATS):
            found["torch"].append(passes(scaled_dot_product_attention, shape))
            found["blocks"].append(passes(attention, shape))
        middle = {
            name: [statistics.median(each) for each in zip(*times[1:], strict=True)] for name, times in found.items()
        }
        told = ", ".join(f"{name} {forward:.1f} + {backward:.1f} ms" for name, (forward, backward) in middle.items())
        print(f"{shape}: {told}, {sum(middle['torch']) / sum(middle['blocks']):.2f} times", flush=True)


if __name__ == "__main__":
    main()

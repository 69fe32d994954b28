"""Attention and convolutions in bf16 on a CPU: ours beside torch's own, forward and backward.

    python benchmarks/quick_operations.py

The two take turns in one process; told are the median milliseconds of each pass. On an AMD EPYC with AVX512-bf16 and
torch 2.13, attention at the sizes of SD1.5, SDXL and a transformer with heads of 128 is 2.1 to 2.3 times as fast on one
thread, and 1.7 to 2.1 times on two. Convolutions are those of SD1.5's lowest blocks, in both layouts of weights: 1.0 to
3.9 times on two threads.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from lora_workbench.engine.models.attention import attention
from lora_workbench.engine.models.convolution import convolution
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

ATTENTION = ((1, 8, 4096, 40), (1, 8, 1024, 80), (1, 10, 4096, 64), (1, 24, 1536, 128))
"""(B, heads, tokens, width of a head)."""
CONVOLUTIONS = ((1280, 1280, 3, 8), (1280, 2560, 3, 8), (1280, 1280, 3, 16), (1280, 2560, 3, 16))
"""Channels of the output and of the input, kernel, side of the picture."""
LAYOUTS = {"as in files": torch.contiguous_format, "channels last": torch.channels_last}
REPEATS = 5

Operation = Callable[..., Tensor]


def passes(operation: Operation, inputs: list[Tensor]) -> tuple[float, float]:
    """Milliseconds of the forward and of the backward pass."""
    inputs = [tensor.clone().requires_grad_() for tensor in inputs]
    began = time.perf_counter()
    out = operation(*inputs)
    between = time.perf_counter()
    out.backward(torch.ones_like(out))
    return 1e3 * (between - began), 1e3 * (time.perf_counter() - between)


def compare(name: str, theirs: Operation, ours: Operation, inputs: list[Tensor]) -> None:
    found: dict[str, list[tuple[float, float]]] = {"torch": [], "ours": []}
    for _ in range(REPEATS):
        found["torch"].append(passes(theirs, inputs))
        found["ours"].append(passes(ours, inputs))
    middle = {way: [statistics.median(each) for each in zip(*times[1:], strict=True)] for way, times in found.items()}
    told = ", ".join(f"{way} {forward:.1f} + {backward:.1f} ms" for way, (forward, backward) in middle.items())
    print(f"{name}: {told}, {sum(middle['torch']) / sum(middle['ours']):.2f} times", flush=True)


def main() -> None:
    for shape in ATTENTION:
        inputs = [torch.randn(shape).bfloat16() for _ in range(3)]
        compare(f"attention {shape}", scaled_dot_product_attention, attention, inputs)
    for out, channels, kernel, side in CONVOLUTIONS:
        for layout, memory_format in LAYOUTS.items():
            x, weight = (
                tensor.bfloat16().contiguous(memory_format=memory_format)
                for tensor in (torch.randn(1, channels, side, side), torch.randn(out, channels, kernel, kernel))
            )
            with_weight: dict[str, Any] = {"weight": weight, "padding": kernel // 2}
            name = f"convolution {channels} to {out}, {side} px, {layout}"
            compare(name, partial(torch.conv2d, **with_weight), partial(convolution, **with_weight), [x])


if __name__ == "__main__":
    main()

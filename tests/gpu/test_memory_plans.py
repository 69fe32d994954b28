"""Every way to save memory gives on the device what it gives without, and what a CPU gives."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from gpu_steps import Loss, adapted, close, gradients
from lora_workbench.engine.memory.blocks import blocks_of
from lora_workbench.engine.memory.checkpointing import checkpointed
from lora_workbench.engine.memory.compiling import compiled
from lora_workbench.engine.memory.counting import counted
from lora_workbench.engine.memory.streaming import streamed
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base

PLANS = ("checkpointed", "streamed")
SAME_DEVICE, OTHER_DEVICE = 1e-5, 2e-3
"""Some kernels of GPUs add up in no fixed order; devices differ in float32 by how they multiply."""

ON_GPUS = pytest.mark.skipif(not torch.cuda.is_available(), reason="only GPUs tell how much memory was taken")


@pytest.fixture(scope="module")
def base(folder: Path, device: str) -> Backbone:
    return load_base(folder, device=device, precision="fp32")


def plan(name: str, base: Backbone) -> Any:
    blocks = [*blocks_of(base.denoiser).values()]
    ways = {
        "": nullcontext, "checkpointed": lambda: checkpointed(blocks),
        "streamed": lambda: streamed(blocks, base.device), "compiled": lambda: compiled(blocks, base.device),
    }  # fmt: skip
    return ways[name]()


def steps(base: Backbone, name: str, count: int = 3) -> list[dict[str, torch.Tensor]]:
    """Gradients of several steps."""
    loss = Loss(base)
    with adapted(base) as injection, plan(name, base):
        return [gradients(base, loss, injection, step) for step in range(count)]


@pytest.mark.parametrize("name", PLANS)
def test_gradients_are_those_without(base: Backbone, name: str):
    for ours, plain in zip(steps(base, name), steps(base, ""), strict=True):
        close(ours, plain, SAME_DEVICE)


@pytest.mark.parametrize("name", PLANS)
def test_gradients_are_those_of_a_cpu(folder: Path, base: Backbone, name: str):
    on_cpu = load_base(folder, device="cpu", precision="fp32")
    for ours, cpu in zip(steps(base, name), steps(on_cpu, ""), strict=True):
        close(ours, cpu, OTHER_DEVICE)


@ON_GPUS
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_compiled_gradients_are_those_without(folder: Path, device: str, precision: str):
    base = load_base(folder, device=device, precision=precision)
    for ours, plain in zip(steps(base, "compiled"), steps(base, ""), strict=True):
        close(ours, plain, {"fp32": OTHER_DEVICE, "bf16": 0.02}[precision])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("name", PLANS)
def test_half_precision_too(folder: Path, device: str, name: str, precision: str):
    half = load_base(folder, device=device, precision=precision)
    for ours, plain in zip(steps(half, name, 2), steps(half, "", 2), strict=True):
        close(ours, plain, 0.02)


def test_streamed_weights_leave_the_device_and_come_back(base: Backbone, device: str):
    before = {name: tensor.clone() for name, tensor in base.denoiser.state_dict().items()}
    blocks = [*blocks_of(base.denoiser).values()]
    with streamed(blocks, base.device) as streaming:
        assert {p.device.type for block in blocks for p in block.parameters()} == {"cpu"}
        assert streaming.pinned == (device == "cuda")
    after = base.denoiser.state_dict()
    assert all(after[name].device == tensor.device for name, tensor in before.items())
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())


def deep(device: str, rows: int = 4) -> tuple[torch.nn.ModuleList, torch.Tensor]:
    """Eight blocks of 32 MB, or of 32 KB in the place of a GPU, with an input."""
    width = 2048 if device == "cuda" else 64
    torch.manual_seed(0)
    layer = torch.nn.Sequential(torch.nn.Linear(width, width), torch.nn.GELU(), torch.nn.Linear(width, width))
    blocks = torch.nn.ModuleList(copy.deepcopy(layer) for _ in range(8)).requires_grad_(False).to(device)
    return blocks, torch.randn(rows, width, device=device, requires_grad=True)


def passes(blocks: torch.nn.ModuleList, x: torch.Tensor) -> torch.Tensor:
    """The gradient of a pass through residual blocks."""
    y = x
    for block in blocks:
        y = y + block(y)
    return torch.autograd.grad(y.square().mean(), x)[0]


def test_many_steps_in_a_row_read_no_weight_too_early_or_too_late(device: str):
    """The host runs far ahead of the device here; copies must neither be overwritten nor used before they are there."""
    blocks, x = deep(device)
    plain = passes(blocks, x)
    with streamed([*blocks], torch.device(device)):
        several = [passes(blocks, x) for _ in range(30)]
    assert all(torch.equal(own, plain) for own in several)


@ON_GPUS
def test_counted_memory_is_what_is_taken(device: str):
    blocks, x = deep(device, rows=4096)
    passes(blocks, x)  # libraries take their working memory
    for name in ("", "checkpointed"):
        with checkpointed(blocks) if name else nullcontext():
            forecast = counted(lambda _: passes(blocks, x)).peak
            torch.cuda.synchronize()
            before = torch.cuda.memory_allocated()
            torch.cuda.reset_peak_memory_stats()
            passes(blocks, x)
            torch.cuda.synchronize()
        assert torch.cuda.max_memory_allocated() - before == pytest.approx(forecast, rel=0.1)


@ON_GPUS
def test_two_blocks_at_most_take_memory(device: str):
    blocks, x = deep(device)
    one = sum(p.nbytes for p in blocks[0].parameters())
    passes(blocks, x)  # libraries take their working memory
    with streamed([*blocks], torch.device(device)):
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        for _ in range(5):
            passes(blocks, x)
        torch.cuda.synchronize()
        assert torch.cuda.max_memory_allocated() - before < 2.5 * one

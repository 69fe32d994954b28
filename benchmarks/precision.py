"""How long a LoRA step takes with frozen weights in float32 and in bf16: the measurement behind ``precision auto``.

    python benchmarks/precision.py                     the demo base
    python benchmarks/precision.py --full-size         a UNet of SD1.5's size, random weights, 256 px (4 GB, minutes)

The dtypes take turns in one process, so that a machine whose speed drifts treats both alike.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import Any

import torch
from lora_workbench.engine.adapters.inject import injected
from lora_workbench.engine.adapters.kinds import KINDS
from lora_workbench.engine.models.contract import Backbone, Conditioning
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.training.loss import denoising_loss
from lora_workbench.engine.training.recipe import Recipe

DEMO_BASE = Path(__file__).parents[1] / "assets" / "demo_base"


def demo_base(dtype: str) -> Backbone:
    return load_base(DEMO_BASE, precision=dtype)


def full_size(dtype: str) -> Backbone:
    """The demo base's backbone around a UNet with the sizes of Stable Diffusion 1.5."""
    from diffusers import UNet2DConditionModel

    backbone: Any = load_base(DEMO_BASE, precision=dtype)
    unet: Any = UNet2DConditionModel(cross_attention_dim=768, attention_head_dim=8, in_channels=4, out_channels=4)
    backbone._unet = unet.eval().requires_grad_(False).to(backbone.dtype, memory_format=torch.channels_last)
    return backbone


def step_seconds(
    backbone: Backbone, batch: int, shape: tuple[int, ...], tokens: int, width: int, steps: int
) -> list[float]:
    """Seconds of each of ``steps`` forward and backward passes, after one to warm up."""
    targets = {"denoiser": backbone.info.target_presets["attention"]}
    components = {"denoiser": backbone.denoiser}
    states = Conditioning(states=torch.randn(batch, tokens, width))
    generator = torch.Generator().manual_seed(0)
    seconds = []
    with injected(KINDS.get("lora"), components, targets, rank=16, alpha=16, seed=0):
        for _ in range(steps + 1):
            began = time.perf_counter()
            denoising_loss(backbone, torch.randn(batch, *shape), states, Recipe(), generator).mean().backward()
            seconds.append(time.perf_counter() - began)
    return seconds[1:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full-size", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    make = full_size if args.full_size else demo_base
    settings = (
        dict(batch=1, shape=(4, 32, 32), tokens=77, width=768, steps=2)
        if args.full_size
        else dict(batch=18, shape=(8, 16, 16), tokens=32, width=128, steps=10)
    )
    backbones = {dtype: make(dtype) for dtype in ("fp32", "bf16")}
    seconds: dict[str, list[float]] = {dtype: [] for dtype in backbones}
    for _ in range(args.rounds):
        for dtype, backbone in backbones.items():
            seconds[dtype] += step_seconds(backbone, **settings)
    medians = {dtype: statistics.median(values) for dtype, values in seconds.items()}
    for dtype, median in medians.items():
        print(f"{dtype}: {median * 1000:8.1f} ms a step (median of {len(seconds[dtype])})")
    print(f"fp32 / bf16: {medians['fp32'] / medians['bf16']:.2f}")


if __name__ == "__main__":
    main()

"""What trainings need on cards of 8 to 24 GB, counted without weights and without a GPU.

    python benchmarks/cards.py

Models of full size exist as fake tensors only. A step of batch 1 is counted with rank 16 on attention layers, weights
in bf16. Then, as `lora-workbench plan` does, the blocks to checkpoint and the format of the weights are chosen for each
card. docs/devices.md has the table.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lora_workbench.engine.adapters.inject import injected
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.core.resources import ASSETS
from lora_workbench.engine.memory.demand import demand
from lora_workbench.engine.memory.plan import MemoryPlan
from lora_workbench.engine.models.contract import Conditioning
from lora_workbench.engine.models.lengths import with_length
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.forecast import CARDS, Forecast
from lora_workbench.engine.runs.forecasting import sizes_of
from torch._subclasses.fake_tensor import FakeTensorMode

sys.path += [str(Path(__file__).parents[1] / "tests"), str(Path(__file__).parent / "gpu")]


def unet(config: str) -> Any:
    from diffusers import UNet2DConditionModel

    loaded: Any = UNet2DConditionModel.load_config(ASSETS / config / "unet")
    return UNet2DConditionModel.from_config(loaded)


def forecast(family: str, side: int) -> Forecast:
    """The forecast of a training of one picture with that side, in pixels."""
    from models import SIZES, Size, presets
    from tiny import TINY

    sizes = {
        **SIZES,
        "sd1": Size(title="SD1.5", make=lambda: unet("sd1_config"), place="_unet", latents=(4, 8), states=(77, 768)),
        "sdxl": replace(SIZES["sdxl"], make=lambda: unet("sdxl_config")),
    }
    size, fakes = sizes[family], FakeTensorMode(allow_non_fake_inputs=True)
    with tempfile.TemporaryDirectory() as folder:
        base: Any = load_base(TINY[family](Path(folder)), device="cpu", precision="bf16")
    with fakes:
        torch.set_default_dtype(torch.bfloat16)
        denoiser = size.make().eval().requires_grad_(False)
        torch.set_default_dtype(torch.float32)
    setattr(base, size.place, denoiser)
    base.info = replace(base.info, target_presets=presets(base, denoiser))
    channels, factor = size.latents
    conditioning = Conditioning(states=torch.randn(1, *size.states))
    if size.pooled:
        conditioning["pooled"] = torch.randn(1, size.pooled)
    if size.place == "_transformer":
        conditioning = with_length(conditioning)
    latents, t = torch.randn(1, channels, side // factor, side // factor), base.timesteps(torch.tensor([0.5])).t
    targets = {"denoiser": base.info.target_presets["attention"]}

    def step() -> None:
        base.predict(latents, t, conditioning).square().mean().backward()

    with fakes, injected(TRAINED.get("lora"), {"denoiser": denoiser}, targets, rank=16, alpha=16, seed=0) as injection:
        needed = demand(step, denoiser, injection.parameters.values(), fakes)
    sizes = sizes_of(denoiser)
    return Forecast(
        name=f"{size.title}, {side} px", plan=MemoryPlan(checkpointed=0, blocks=len(needed.blocks)),
        weights=sizes["16 bits"], sizes=sizes, demand=needed, steps=0, trial=None, disk=0,
    )  # fmt: skip


def rows() -> Iterator[tuple[str, ...]]:
    yield ("model", "weights", "all kept", "checkpointed", *(f"{card} GB" for card in CARDS))
    for family, side in (("sd1", 512), ("sdxl", 1024), ("flux2", 1024), ("z-image", 1024)):
        found = forecast(family, side)
        assert found.demand is not None
        needed = (found.weights, found.demand.total, found.demand.checkpointed(found.plan.blocks))
        yield (found.name, *(f"{size / 1e9:.1f} GB" for size in needed), *map(found.on_card, CARDS))


def main() -> None:
    for number, row in enumerate(rows()):
        print("|", " | ".join(row), "|", flush=True)
        if not number:
            print("|" + "---|" * len(row))


if __name__ == "__main__":
    main()

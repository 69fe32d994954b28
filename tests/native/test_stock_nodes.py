"""The demo checkpoint and our stack in a running ComfyUI, among its own nodes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from comfyui_graphs import demo_checkpoint, drawing, our_stack, stock_loader
from comfyui_server import Server
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.binding import adaptable
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.models.registry import load_base

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


def test_our_stack_and_the_stock_loader_draw_the_same(server: Server, demo_base: Path) -> None:
    folder = server.folder / "models" / "loras"
    folder.mkdir(parents=True, exist_ok=True)
    save_adapter(random_adapter(demo_base), folder / "random.safetensors", key_style="kohya")
    ways = {
        "stack": our_stack("stack", "random.safetensors", 0.5),
        "loader": stock_loader("loader", "random.safetensors", 0.5),
        "demo": {},
    }
    graph = demo_checkpoint()
    for name, nodes in ways.items():
        graph |= nodes | drawing(f"{name} drawing", name)
    ended = server.run(graph)
    assert "lora key not loaded" not in server.log.read_text()
    stack, loader, plain = (ended.pixels(f"{name} drawing file") for name in ways)
    assert abs(stack - loader).max() <= 1
    assert abs(stack - plain).max() > 20


def random_adapter(base: Path) -> Adapter:
    import torch

    generator = torch.Generator().manual_seed(0)
    modules: dict[str, Any] = {}
    for key, module in adaptable(load_base(base, device="cpu", precision="fp32").load_components()).items():
        if module.weight.ndim == 2:
            wide, narrow = (2, module.weight.shape[1]), (module.weight.shape[0], 2)
            down, up = (torch.randn(shape, generator=generator) * 0.1 for shape in (wide, narrow))
            modules[key] = LowRank(down, up, alpha=2.0)
    return Adapter(name="random", family="sd1", modules=modules)

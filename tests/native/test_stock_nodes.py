"""The demo checkpoint and our stack in a running ComfyUI, among its own nodes."""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from comfyui_server import Server, serve
from lora_workbench.engine.adapters.adapter import Adapter, LowRank
from lora_workbench.engine.adapters.binding import adaptable
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.backbones.registry import load_base

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]


def test_our_stack_and_the_stock_loader_draw_the_same(root: Path, demo_base: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models" / "loras"
    folder.mkdir(parents=True)
    save_adapter(random_adapter(demo_base), folder / "random.safetensors", key_style="kohya")
    with serve(root, tmp_path) as server:
        run(server, both_ways())
        assert "lora key not loaded" not in server.log.read_text()
    stack, loader, plain = (pixels(tmp_path / "output" / f"{name}_00001_.png") for name in ("stack", "loader", "plain"))
    assert abs(stack - loader).max() <= 1
    assert abs(stack - plain).max() > 20


def random_adapter(base: Path) -> Adapter:
    import torch

    generator = torch.Generator().manual_seed(0)
    modules = {}
    for key, module in adaptable(load_base(base, device="cpu", precision="fp32").components()).items():
        if module.weight.ndim == 2:
            wide, narrow = (2, module.weight.shape[1]), (module.weight.shape[0], 2)
            down, up = (torch.randn(shape, generator=generator) * 0.1 for shape in (wide, narrow))
            modules[key] = LowRank(down, up, alpha=2.0)
    return Adapter(name="random", family="sd1", modules=modules)


def both_ways() -> dict[str, Any]:
    """One picture with our stack, one with the stock loader, one without an adapter."""
    nodes: dict[str, Any] = {
        "demo": ("LW_DemoCheckpoint", {}),
        "adapter": ("LW_LoadAdapter", {"adapter": "random.safetensors"}),
        "entry": (
            "LW_StackAdapters",
            {"adapter": ["adapter", 0], "weight": 0.5, "text_encoder_weight": 0.5, "enabled": True},
        ),
        "stack": ("LW_ApplyStack", {"model": ["demo", 0], "clip": ["demo", 1], "stack": ["entry", 0]}),
        "loader": (
            "LoraLoader",
            {
                "model": ["demo", 0], "clip": ["demo", 1], "lora_name": "random.safetensors",
                "strength_model": 0.5, "strength_clip": 0.5,
            },
        ),
        "empty": ("EmptyLatentImage", {"width": 64, "height": 64, "batch_size": 1}),
    }  # fmt: skip
    for name, source in (("stack", "stack"), ("loader", "loader"), ("plain", "demo")):
        nodes |= drawing(name, source)
    return {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in nodes.items()}


def drawing(name: str, source: str) -> dict[str, Any]:
    return {
        f"{name} positive": ("CLIPTextEncode", {"clip": [source, 1], "text": "an emoji of a red apple"}),
        f"{name} negative": ("CLIPTextEncode", {"clip": [source, 1], "text": ""}),
        f"{name} latent": (
            "KSampler",
            {
                "model": [source, 0], "positive": [f"{name} positive", 0], "negative": [f"{name} negative", 0],
                "latent_image": ["empty", 0], "seed": 1, "steps": 8, "cfg": 3.0, "sampler_name": "euler",
                "scheduler": "sgm_uniform", "denoise": 1.0,
            },
        ),
        f"{name} picture": ("VAEDecode", {"samples": [f"{name} latent", 0], "vae": ["demo", 2]}),
        f"{name} file": ("SaveImage", {"images": [f"{name} picture", 0], "filename_prefix": name}),
    }  # fmt: skip


def run(server: Server, prompt: dict[str, Any], longest: float = 120) -> None:
    """Queue a graph and wait until it has run."""
    request = urllib.request.Request(
        f"{server.url}/prompt", json.dumps({"prompt": prompt}).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        number = json.load(answer)["prompt_id"]
    end = time.monotonic() + longest
    while time.monotonic() < end:
        with urllib.request.urlopen(f"{server.url}/history/{number}") as answer:
            history = json.load(answer)
        if number in history:
            status = history[number]["status"]
            assert status["status_str"] == "success", status["messages"]
            return
        time.sleep(0.5)
    pytest.fail(f"ComfyUI took longer than {longest} s:\n{server.log.read_text()[-2000:]}")


def pixels(file: Path) -> Any:
    import numpy as np
    from PIL import Image

    with Image.open(file) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)

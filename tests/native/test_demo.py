"""The demo base in ComfyUI's own classes is the demo base: same numbers, same pictures, and every adapter fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from comfyui_process import run_inside
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.binding import adaptable
from lora_workbench.engine.adapters.files import save_adapter
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.renaming import Naming, renamed
from lora_workbench.engine.models.registry import load_base

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

INSIDE = Path(__file__).resolve().parent / "inside_demo.py"
FLOAT32 = 2e-5
"""Relative difference that another order of the same sums makes."""
FLOAT16 = 1e-3
"""What rounding makes: ComfyUI keeps the text encoder in fp16, and so its weights with an adapter's update."""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return run_inside(INSIDE, "measured", folder=tmp_path_factory.mktemp("comfyui"))


@pytest.mark.parametrize("part", ["states", "chunks", "encode", "decode", "predict"])
def test_every_part_computes_what_diffusers_computes(measured: dict[str, Any], part: str) -> None:
    assert measured[part] < FLOAT32


def test_noise_levels_are_those_of_the_training(measured: dict[str, Any]) -> None:
    assert measured["alphas"] < 1e-6


def test_prompts_become_32_tokens_and_are_padded_with_the_end(measured: dict[str, Any]) -> None:
    assert {len(tokens) for tokens in measured["tokens"]} == {32}
    assert measured["tokens"][-1] == [2046, *[2047] * 31]


def test_quick_previews_have_the_right_colors(measured: dict[str, Any]) -> None:
    assert measured["preview"] > 0.9


def test_the_stock_sampler_draws_what_our_own_draws(tmp_path: Path) -> None:
    drawn = run_inside(INSIDE, "drawn", tmp_path, folder=tmp_path)
    assert drawn["shapes"] == [[1, 64, 64, 3]] * 2, "64 px, from the stock node for empty latents"
    assert drawn["apart"] < 0.01


@pytest.mark.parametrize("naming", ["kohya", "ComfyUI"])
def test_the_stock_loader_matches_every_layer_of_an_adapter(tmp_path: Path, demo_base: Path, naming: Naming) -> None:
    modules = random_updates(demo_base)
    file = tmp_path / "all.safetensors"
    base = load_base(demo_base, device="cpu", precision="fp32")
    named = renamed(Adapter(name="all", family="sd1", modules=modules), naming, base)
    save_adapter(named, file, key_style=named.key_style, dtype="float32")
    adapted = run_inside(INSIDE, "adapted", file, folder=tmp_path)
    assert adapted["messages"] == []
    assert adapted["patches"] == len(modules)
    assert adapted["states"] < FLOAT16
    assert adapted["predict"] < FLOAT16


def random_updates(base: Path) -> dict[str, LowRank]:
    """An update of rank 2 for every linear layer and convolution."""
    import torch

    generator = torch.Generator().manual_seed(0)
    modules = adaptable(load_base(base, device="cpu", precision="fp32").load_components())
    found = {}
    for key, module in modules.items():
        weight = module.weight
        down = torch.randn(2, *weight.shape[1:], generator=generator) * 0.02
        up = torch.randn(weight.shape[0], 2, *[1] * (weight.ndim - 2), generator=generator) * 0.02
        found[key] = LowRank(down, up, 1.0)
    return found


def test_comfyui_can_copy_unload_and_load_it_again_without_a_file(tmp_path: Path) -> None:
    assert run_inside(INSIDE, "reloaded", folder=tmp_path) == {
        "own_weights": True,
        "equal": True,
        "kept": True,
        "reloadable": [True, True, True],
    }
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]

"""Names of other programs: what an adapter does stays the same, to the bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from generators import result
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import file_tensors, load_adapter
from lora_workbench.engine.adapters.fused import bind_to
from lora_workbench.engine.adapters.keeping import exact_dtype, keep
from lora_workbench.engine.adapters.kinds import LowRank
from lora_workbench.engine.adapters.kinds.full import Difference
from lora_workbench.engine.adapters.renaming import Naming, renamed, unread
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import AdapterError
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from made_adapters import random_adapter

OTHERS: tuple[Naming, ...] = ("kohya", "diffusers", "ComfyUI")
BEGINS = {"kohya": "lora_unet_down_blocks_0", "diffusers": "unet.down_blocks.0", "ComfyUI": "diffusion_model.input_blo"}


@pytest.fixture(scope="module")
def base(demo_base: Path) -> Backbone:
    return load_base(demo_base, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def adapter(base: Backbone) -> Adapter:
    """As a file has it, of a scale that isn't 1."""
    return random_adapter(base, "fox", strength=0.3)


def through_a_file(adapter: Adapter, naming: Naming, base: Backbone | None, folder: Path) -> Adapter:
    found = renamed(adapter, naming, base)
    return load_adapter(keep(found, folder / found.name, dtype=exact_dtype(found)).path)


def test_round_trips_through_all_names_leave_every_bit(base: Backbone, adapter: Adapter, tmp_path: Path) -> None:
    half = {key: _in_half(update) for key, update in adapter.modules.items()}
    adapter = first = replace(adapter, modules=half)
    for naming in (*OTHERS, *reversed(OTHERS)):
        adapter = through_a_file(adapter, naming, base, tmp_path / naming)
        assert any(name.startswith(BEGINS[naming]) for name in file_names(tmp_path / naming / "fox.safetensors"))
    bound = bind_to(base, adapter)
    assert bound.modules.keys() == first.modules.keys()
    for key, update in first.modules.items():
        assert torch.equal(
            bound.modules[key].delta(torch.zeros(update.weight_shape)), update.delta(torch.zeros(update.weight_shape))
        )


def _in_half(update: Any) -> LowRank:
    return replace(update, down=update.down.half(), up=update.up.half())


def file_names(path: Path) -> set[str]:
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        return {*file.keys()}


def test_pictures_are_the_same_with_every_name(base: Backbone, adapter: Adapter, tmp_path: Path) -> None:
    request = GenerationRequest(prompts=("a fox",), seeds=(1,), steps=2, guidance=2.0)

    def picture(stack: Stack) -> bytes:
        return result(generate(base, request, stack))[0].image.tobytes()

    plain, wanted = picture(Stack()), picture(Stack((StackEntry(adapter, 0.8),)))
    assert plain != wanted
    for naming in OTHERS:
        found = through_a_file(adapter, naming, base, tmp_path / naming)
        assert picture(Stack((StackEntry(found, 0.8),))) == wanted


def test_values_that_float16_rounds_are_kept_in_float32(base: Backbone, adapter: Adapter) -> None:
    assert exact_dtype(adapter) == "float32"
    half = replace(adapter, modules={key: _in_half(update) for key, update in adapter.modules.items()})
    assert exact_dtype(half) == "float16"
    odd = replace(half, modules={key: replace(update, alpha=3.7) for key, update in half.modules.items()})  # type: ignore[type-var]
    assert exact_dtype(renamed(odd, "diffusers", base)) == "float32"
    large = replace(half, modules={"denoiser.conv_in": Difference(torch.tensor([[1e6]]))})
    assert exact_dtype(large) == "float32"


def test_names_without_dots_need_the_base_model_for_diffusers(base: Backbone, adapter: Adapter, tmp_path: Path) -> None:
    flat = load_adapter(keep(adapter, tmp_path / "fox").path)
    with pytest.raises(AdapterError, match="Diffusers' names of the layers of fox don't follow"):
        renamed(flat, "diffusers")
    assert renamed(flat, "diffusers", base).modules.keys() == adapter.modules.keys()
    assert renamed(flat, "kohya").modules.keys() == flat.modules.keys()


def test_names_of_comfyui_need_the_base_model_too(base: Backbone, adapter: Adapter) -> None:
    with pytest.raises(AdapterError, match="ComfyUI's names of the layers of fox aren't known here"):
        renamed(adapter, "ComfyUI")
    there = renamed(adapter, "ComfyUI", base)
    assert renamed(there, "kohya").modules.keys() == there.modules.keys()
    with pytest.raises(AdapterError, match="Diffusers' names"):
        renamed(there, "diffusers")


@pytest.mark.parametrize("naming", ["kohya", "ComfyUI"])
def test_names_of_transformers_are_known_in_comfyui_only(naming: Naming) -> None:
    update = LowRank(torch.ones(2, 4), torch.ones(4, 2), 2.0)
    modules = {"denoiser.transformer_blocks.0.attn.to_q": update}
    flux = Adapter(name="flux", family="flux1", modules=modules, key_style="transformer")
    with pytest.raises(AdapterError, match="connect Base Model from ComfyUI"):
        renamed(flux, naming)
    names = file_tensors(renamed(flux, "diffusers"), dtype="float32")
    assert {*names} == {f"transformer.transformer_blocks.0.attn.to_q.lora_{side}.weight" for side in "AB"}


class Fused:
    """A base model in ComfyUI whose queries, keys and values are one layer."""

    def carrying(self, stack: Stack) -> Any: ...

    def module_shapes(self) -> dict[str, tuple[int, ...]]:
        return {f"denoiser.transformer_blocks.0.attn.to_{side}": (4, 6) for side in "qkv"}

    def load_component(self, name: str) -> torch.nn.Module:
        return torch.nn.ModuleDict({"blocks": torch.nn.ModuleDict({"qkv": torch.nn.Linear(6, 12)})})

    def file_parts(self, key: str) -> Any:
        sides = enumerate("qkv")
        return [(f"denoiser.transformer_blocks.0.attn.to_{s}", slice(4 * n, 4 * n + 4)) for n, s in sides]


def test_parts_of_a_layer_that_is_one_in_comfyui_are_joined() -> None:
    base = Fused()
    modules = {
        f"denoiser.transformer_blocks.0.attn.to_{side}": LowRank(torch.randn(2, 6), torch.randn(4, 2), 3.0)
        for side in "qv"
    }
    adapter = Adapter(name="flux", family="flux1", modules=modules, key_style="transformer")
    found = renamed(adapter, "ComfyUI", base)
    whole = found.modules["denoiser.blocks.qkv"].delta(torch.zeros(12, 6))
    wanted = torch.zeros(12, 6)
    for number, side in ((0, "q"), (2, "v")):
        part = modules[f"denoiser.transformer_blocks.0.attn.to_{side}"]
        wanted[4 * number : 4 * number + 4] = part.delta()
    assert torch.allclose(whole, wanted, atol=1e-6)
    assert any(name.startswith("diffusion_model.blocks.qkv.lora_A") for name in file_tensors(found, dtype="float32"))
    back = bind_to(base, found)
    assert torch.allclose(back.modules["denoiser.transformer_blocks.0.attn.to_v"].delta(torch.zeros(4, 6)), wanted[8:])
    kohya = file_tensors(renamed(adapter, "kohya", base), dtype="float32")
    assert "lora_unet_blocks_qkv.lora_down.weight" in kohya
    biased = replace(adapter, modules={key: update.with_bias(torch.ones(4)) for key, update in modules.items()})
    with pytest.raises(AdapterError, match="one layer in ComfyUI and 2 in the file"):
        renamed(biased, "ComfyUI", base)


def test_kinds_that_diffusers_doesnt_read_are_told(adapter: Adapter) -> None:
    other = replace(adapter, modules={"denoiser.conv_in": Difference(torch.ones(2, 2))})
    assert unread(other, "diffusers") == "diffusers reads LoRAs alone: for it, turn full into a plain LoRA."
    assert not unread(other, "kohya") and not unread(adapter, "diffusers")

"""A stack in a checkpoint: what the base model does with it, everywhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.kinds import Decomposed, LowRank
from lora_workbench.engine.adapters.kinds.dora import norms
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.checkpoints.baking import baked
from lora_workbench.engine.checkpoints.saving import save_checkpoint, save_folder
from lora_workbench.engine.core.errors import AdapterError, BaseModelError
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.families import sd1, sdxl
from made_adapters import random_adapter
from tiny import save_tiny_sd1, save_tiny_sdxl
from torch import Tensor

FAMILIES = {"sd1": (sd1, save_tiny_sd1), "sdxl": (sdxl, save_tiny_sdxl)}
every_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def make(family: str) -> Path:
        if family not in made:
            made[family] = FAMILIES[family][1](tmp_path_factory.mktemp(family) / "base")
        return made[family]

    return make


def predictions(base: Backbone) -> Tensor:
    with torch.no_grad():
        x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        return base.predict(x, torch.tensor([200, 700]), base.encode_prompts(["a zwx thing", "another"]))


def stack_for(base: Backbone) -> Stack:
    fox = random_adapter(base, "fox", trigger="ohwx fox", strength=0.2)
    return Stack((StackEntry(fox, 0.8, 0.5), StackEntry(_dora(base), 0.6)))


def _dora(base: Backbone) -> Adapter:
    """Which depends on the weights."""
    plain = random_adapter(base, "riso", seed=1, trigger="zwx riso", ends=("to_q",))
    weights = {f"denoiser.{path}": module for path, module in base.denoiser.named_modules()}
    modules = {
        key: Decomposed(update, 1.1 * norms(weights[key].weight.float()))  # type: ignore[arg-type]
        for key, update in plain.modules.items()
    }
    return Adapter(name="riso", family=plain.family, modules=modules, metadata=plain.metadata)


@every_family
def test_it_predicts_what_the_base_model_does_with_the_stack(family: str, folder, tmp_path: Path) -> None:
    base = registry.load_base(folder(family), device="cpu", precision="fp32")
    stack, before = stack_for(base), predictions(base)
    with applied(base, stack):
        wanted = predictions(base)
    made = baked(base, stack, name="both")
    assert torch.allclose(predictions(made), wanted, rtol=0, atol=1e-5)
    assert not torch.allclose(wanted, before, atol=1e-2)
    assert torch.equal(predictions(base), before), "the base model changed"

    module, _ = FAMILIES[family]
    file = save_checkpoint(made, tmp_path / "both.safetensors", dtype="float32", name="both")
    assert torch.equal(predictions(module.load(file, device="cpu", config=folder(family))), predictions(made))
    again = registry.load_base(save_folder(made, tmp_path / "folder", dtype="float32"), device="cpu", precision="fp32")
    assert torch.equal(predictions(again), predictions(made))


def test_the_file_says_what_it_is_made_of(folder, tmp_path: Path) -> None:
    from safetensors import safe_open

    base = registry.load_base(folder("sd1"), device="cpu", precision="fp32")
    file = save_checkpoint(
        baked(base, stack_for(base), name="both"), tmp_path / "a.safetensors", dtype="float16", name="a"
    )
    with safe_open(file, "pt") as opened:
        header = opened.metadata()
    assert header["modelspec.trigger_phrase"] == "ohwx fox, zwx riso"
    assert header["modelspec.architecture"] == base.info.architecture
    assert [part["name"] for part in json.loads(header["lw.merged"])["parts"]] == ["fox", "riso"]
    assert not [key for key in header if key.startswith("ss_network")]


def test_a_baked_model_is_baked_once_more_and_known_by_its_content(folder) -> None:
    base = registry.load_base(folder("sd1"), device="cpu", precision="fp32")
    one, other = (Stack((StackEntry(random_adapter(base, "a", seed=seed), 0.5),)) for seed in (1, 2))
    first = baked(base, one, name="first")
    both = baked(first, other, name="both")
    with applied(base, Stack((*one.entries, *other.entries))):
        wanted = predictions(base)
    assert torch.allclose(predictions(both), wanted, rtol=0, atol=1e-5)
    assert len({base.info.content_hash, first.info.content_hash, both.info.content_hash}) == 3
    assert baked(base, one, name="again").info.content_hash == first.info.content_hash
    assert len(json.loads(both.parts.metadata["lw.merged"])["parts"]) == 1  # type: ignore[attr-defined]


def test_quantized_models_are_refused_in_words(folder) -> None:
    base = registry.load_base(folder("sd1"), device="cpu", precision="int8")
    plain = registry.load_base(folder("sd1"), device="cpu", precision="fp32")
    with pytest.raises(BaseModelError, match=r"can't be baked into .* in .*int8"):
        baked(base, stack_for(plain), name="both")


def test_empty_stacks_and_adapters_of_others_are_refused(folder) -> None:
    base = registry.load_base(folder("sd1"), device="cpu", precision="fp32")
    with pytest.raises(AdapterError, match="nothing to bake"):
        baked(base, Stack(), name="both")
    stranger = Adapter(
        name="flux", family="", modules={"denoiser.blocks.0": LowRank(torch.ones(2, 4), torch.ones(4, 2), 2.0)}
    )
    with pytest.raises(AdapterError, match="flux doesn't fit this base model"):
        baked(base, Stack((StackEntry(stranger),)), name="both")

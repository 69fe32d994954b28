"""A base model that is saved loads again, here and in diffusers, with the same predictions."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from generators import result
from lora_workbench.engine.checkpoints.names import in_checkpoint
from lora_workbench.engine.checkpoints.saving import save_checkpoint, save_folder, unusual
from lora_workbench.engine.core.errors import BaseModelError
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.families import sd1, sdxl
from lora_workbench.engine.models.from_parts import PartsBackbone
from lora_workbench.engine.runs.dreambooth import train_dreambooth
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image
from safetensors.torch import load_file
from single_file import renamed
from tiny import save_tiny_flux1, save_tiny_sd1, save_tiny_sdxl

FAMILIES = {"sd1": (sd1, save_tiny_sd1), "sdxl": (sdxl, save_tiny_sdxl)}


def predictions(base) -> torch.Tensor:
    with torch.no_grad():
        x = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        return base.predict(x, torch.tensor([200, 700]), base.encode_prompts(["a zwx thing", "another"]))


class Trained(NamedTuple):
    """A base of a family after two steps of all weights, text encoders included."""

    folder: Path
    """Of the base model that it was."""
    base: PartsBackbone


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Callable[[str], Trained]:
    @cache
    def train(family: str) -> Trained:
        place = tmp_path_factory.mktemp(family)
        folder = FAMILIES[family][1](place / "base")
        base = registry.load_base(folder, device="cpu")
        dataset = dataset_from_images([Image.new("RGB", (32, 32), "red")], ["a zwx thing"], "reds")
        recipe = Recipe.of(steps=2, learning_rate=1e-3, warmup_steps=0, train_text_encoder=True)
        events = train_dreambooth(base, dataset, recipe, seed=1, store=RunStore(place / "store"), name="reds")
        return Trained(folder, result(events).base)

    return train


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trained_model_survives_the_way_through_a_checkpoint(family, trained, tmp_path):
    folder, base = trained(family)
    file = save_checkpoint(base, tmp_path / "reds.safetensors", dtype="float32", name="reds")
    again = FAMILIES[family][0].load(file, device="cpu", config=folder)
    assert torch.equal(predictions(again), predictions(base))
    pictures = torch.rand(1, 3, 32, 32) * 2 - 1
    assert torch.equal(again.encode_images(pictures), base.encode_images(pictures))


@pytest.mark.parametrize("family", FAMILIES)
def test_a_trained_model_survives_the_way_through_a_folder(family, trained, tmp_path):
    base = trained(family).base
    folder = save_folder(base, tmp_path / "reds", dtype="float32")
    again = registry.load_base(folder, device="cpu")
    assert torch.equal(predictions(again), predictions(base))


def test_diffusers_loads_both(trained, tmp_path):
    from diffusers import StableDiffusionPipeline

    folder, base = trained("sd1")
    file = save_checkpoint(base, tmp_path / "reds.safetensors", dtype="float32", name="reds")
    pipelines = [
        StableDiffusionPipeline.from_single_file(
            str(file), config=str(folder), local_files_only=True, safety_checker=None, feature_extractor=None
        ),
        StableDiffusionPipeline.from_pretrained(save_folder(base, tmp_path / "reds", dtype="float32")),
    ]
    x, t = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([300])
    states = base.encode_prompts(["a zwx thing"])
    for pipeline in pipelines:
        ids = pipeline.tokenizer(
            "a zwx thing", padding="max_length", max_length=32, truncation=True, return_tensors="pt"
        ).input_ids
        with torch.no_grad():
            own = pipeline.text_encoder(ids).last_hidden_state
            assert torch.allclose(own, states["states"], atol=1e-6)
            assert torch.allclose(pipeline.unet(x, t, own).sample, base.predict(x, t, states), atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_names_are_those_of_the_published_files(family, tmp_path):
    module, save = FAMILIES[family]
    folder = save(tmp_path / "base")
    for name, part in module.FAMILY.parts.items():
        if part.prefix:
            weights = load_file(next((folder / name).glob("*.safetensors")))
            expected = renamed(part, weights, json.loads((folder / name / "config.json").read_text()))
            found = in_checkpoint(part, weights)
            assert found.keys() == expected.keys()
            assert all(torch.equal(found[key], expected[key]) for key in found)


def test_names_of_real_sizes(root):
    """The UNet of Stable Diffusion 1.5 and XL as they are, by their configurations alone."""
    from diffusers import UNet2DConditionModel

    for family in (sd1, sdxl):
        config = json.loads((family.FAMILY.config / "unet" / "config.json").read_text())
        with torch.device("meta"):
            weights = dict(UNet2DConditionModel.from_config(config).named_parameters())  # type: ignore[union-attr]
        part = family.FAMILY.parts["unet"]
        assert in_checkpoint(part, weights).keys() == renamed(part, weights, config).keys()


def test_nothing_is_overwritten(tmp_path):
    base = registry.load_base(save_tiny_sd1(tmp_path / "one"), device="cpu")
    other = registry.load_base(save_tiny_sd1(tmp_path / "two", seed=1), device="cpu")
    files = [save_checkpoint(b, tmp_path / "x.safetensors", dtype="float16", name="x") for b in (base, other, base)]
    assert [file.name for file in files] == ["x.safetensors", "x_00002.safetensors", "x.safetensors"]
    folders = [save_folder(b, tmp_path / "x", dtype="float16") for b in (base, other)]
    assert [folder.name for folder in folders] == ["x", "x_00002"]


def test_what_it_predicts_is_marked_and_unusual_sizes_are_told(tmp_path):
    base = registry.load_base(
        save_tiny_sd1(tmp_path / "v", prediction_type="v_prediction", zero_snr=True), device="cpu"
    )
    tensors = load_file(save_checkpoint(base, tmp_path / "v.safetensors", dtype="float16", name="v"))
    assert tensors["v_pred"].numel() == tensors["ztsnr"].numel() == 0
    told = [*unusual(base)]
    assert any("other sizes" in text for text in told) and any("predicts v" in text for text in told)


def test_values_beyond_float16_are_refused(tmp_path):
    base = registry.load_base(save_tiny_sd1(tmp_path / "base"), device="cpu")
    folder = tmp_path / "base" / "unet"
    file = next(folder.glob("*.safetensors"))
    from safetensors.torch import save_file

    save_file(load_file(file) | {"conv_out.bias": torch.full((4,), 1e5)}, file)
    with pytest.raises(BaseModelError, match="float16"):
        save_checkpoint(base, tmp_path / "x.safetensors", dtype="float16", name="x")
    assert not (tmp_path / "x.safetensors").exists()


def test_a_family_without_checkpoints_is_saved_as_a_folder(tmp_path):
    base = registry.load_base(save_tiny_flux1(tmp_path / "flux"), device="cpu")
    with pytest.raises(BaseModelError, match="can't be saved in this format"):
        save_checkpoint(base, tmp_path / "x.safetensors", dtype="float32", name="x")
    again = registry.load_base(save_folder(base, tmp_path / "x", dtype="float32"), device="cpu")
    own, other = base.denoiser.state_dict(), again.denoiser.state_dict()
    assert all(torch.equal(own[name], other[name]) for name in own)

"""Runs on pairs: what the base model is shown of the pictures before editing, and what can't be trained."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from generators import result
from lora_workbench.engine.core.cache import TensorCache
from lora_workbench.engine.core.errors import BaseModelError, DatasetError, TrainingError
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.pairs import load_pairs
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.embeddings import picture_batch
from lora_workbench.engine.training.loss import reference_dropped
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.settings import CaptionSettings
from lora_workbench.engine.training.training_set import encode
from PIL import Image
from tiny import TINY, save_tiny_ip2p

RECIPE = Recipe.of(steps=2, rank=2, alpha=2.0, resolution=32)


def quick(folder: Path) -> Path:
    """The folder of a base model, which declares that two steps are enough to draw pictures of 32 px."""
    (folder / "lora_workbench.json").write_text('{"resolution": 32, "generation": {"steps": 2}}')
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return quick(save_tiny_ip2p(tmp_path_factory.mktemp("ip2p")))


@pytest.fixture(scope="module")
def base(folder):
    return load_base(folder, device="cpu", precision="fp32")


@pytest.fixture
def pairs(tmp_path) -> Dataset:
    for name, color in {"a_start": "red", "a_end": "blue", "b_start": "green", "b_end": "white"}.items():
        Image.new("RGB", (40, 32), color).save(tmp_path / f"{name}.png")
    return load_pairs(tmp_path, instruction="do it")


def plain(*colors: str) -> Dataset:
    return dataset_from_images([Image.new("RGB", (32, 32), color) for color in colors], ["a thing"] * len(colors), "x")


def trained(base, dataset: Dataset, store, recipe: Recipe = RECIPE, **options):
    return result(train_adapter(base, dataset, recipe, seed=0, store=RunStore(store), name="edit", **options))


def test_it_draws_what_diffusers_draws(folder, base):
    """The same UNet calls and both guidances as in diffusers' own pipeline."""
    from diffusers import StableDiffusionInstructPix2PixPipeline

    picture = Image.effect_noise((32, 32), 80).convert("RGB")
    request = GenerationRequest(
        prompts=("make it red",), references=(picture,), steps=4, guidance=5.0, reference_guidance=1.7
    )
    ours = result(generate(base, request))[0]
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    noise = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    theirs = pipeline(
        "make it red", image=picture, num_inference_steps=4, guidance_scale=5.0, image_guidance_scale=1.7,
        latents=noise, negative_prompt="",
    ).images[0]  # fmt: skip
    values = [torch.tensor(list(image.tobytes()), dtype=torch.float32) for image in (ours.image, theirs)]
    assert (values[0] - values[1]).abs().max() <= 1
    assert ours.reference.size == (32, 32)


def test_the_latents_are_those_of_the_same_view_before_editing(base, pairs, tmp_path):
    made = result(encode(base, pairs, 32, TensorCache(tmp_path / "cache"), embed=True))
    for record, (latent,) in zip(pairs, made.references, strict=True):
        ((view,),) = record.views(32)
        shown = (record.reference, record.reference.view(view, (record.width, record.height)))
        torch.testing.assert_close(latent, base.encode_images(picture_batch([shown]))[0], rtol=0, atol=0)


def test_another_picture_before_editing_trains_another_adapter(base, pairs, tmp_path):
    first = trained(base, pairs, tmp_path / "store")
    swapped = [pairs.records[1].reference, pairs.records[0].reference]
    records = tuple(replace(record, reference=r) for record, r in zip(pairs, swapped, strict=True))
    second = trained(base, replace(pairs, records=records), tmp_path / "store")
    assert not second.cached and second.losses != first.losses
    assert trained(base, pairs, tmp_path / "store").cached


def test_half_of_the_dropped_captions_lose_the_picture_too():
    drawn = torch.linspace(0, 1, 1001)[:-1]
    settings = CaptionSettings(caption_dropout=0.1, reference_dropout=0.1)
    dropped, bare = reference_dropped(drawn, settings), drawn < 0.1
    assert [int(part.sum()) for part in (dropped, bare & dropped, bare & ~dropped)] == [100, 50, 50]
    assert reference_dropped(drawn, CaptionSettings(caption_dropout=1.0, reference_dropout=1.0)).all()
    assert not reference_dropped(drawn, CaptionSettings(caption_dropout=0.5)).any()


@pytest.mark.parametrize("family", ["qwen-image-2.1", "qwen-image-edit", "qwen-image-edit-plus"])
def test_text_encoders_that_see_pictures_see_those_before_editing(family, pairs, tmp_path):
    base = load_base(quick(TINY[family](tmp_path / "base")), device="cpu", precision="fp32")
    made = result(encode(base, pairs, 32, TensorCache(tmp_path / "cache"), embed=True))
    for caption in ("do it", ""):
        first, second = (made.embeddings[made.prompt(sample, 0, caption)]["states"] for sample in range(2))
        assert (first - second).abs().max() > 1e-4
    recipe = RECIPE.changed(caption_dropout=0.5, sample_every=2, sample_prompts=("do it",))
    assert all(torch.tensor(trained(base, pairs, tmp_path / "store", recipe).losses).isfinite())


@pytest.mark.parametrize("family", ["ip2p", "qwen-image-edit"])
def test_what_is_preserved_is_shown_the_pictures_before_editing(family, pairs, base, tmp_path):
    if family != "ip2p":
        base = load_base(TINY[family](tmp_path / "base"), device="cpu", precision="fp32")
    named = replace(
        pairs.with_captions(["do it to zwx", "zwx"]), trigger=TriggerWord(word="zwx", class_word="some thing")
    )
    recipe = RECIPE.changed(
        output_preservation=1.0, blank_preservation=1.0, batch_size=2, learning_rate=0.01, warmup_steps=0
    )
    parts = trained(base, named, tmp_path / "store", recipe).parts
    assert list(parts) == ["subject", "output_preservation", "blank_preservation"]
    assert all(values[0] < 1e-9 < values[1] for part, values in parts.items() if part != "subject")


def test_samples_edit_the_first_pairs(base, pairs, tmp_path):
    recipe = RECIPE.changed(sample_every=2, sample_prompts=("do it", "do it again", "and again"))
    events = list(train_adapter(base, pairs, recipe, seed=0, store=RunStore(tmp_path), name="edit"))
    (samples,) = [event for event in events if type(event).__name__ == "SamplesGenerated"]
    assert len(samples.images) == 3


def test_a_base_that_does_not_edit_names_those_that_do(tiny_sd1, pairs, tmp_path):
    with pytest.raises(TrainingError, match=r"doesn't edit pictures[^$]*InstructPix2Pix"):
        trained(load_base(tiny_sd1, device="cpu"), pairs, tmp_path)
    request = GenerationRequest(prompts=("x",), references=(Image.new("RGB", (32, 32)),))
    with pytest.raises(BaseModelError, match="doesn't edit pictures"):
        result(generate(load_base(tiny_sd1, device="cpu"), request))


def test_pairs_and_other_pictures_are_not_mixed(base, pairs, tmp_path):
    mixed = replace(pairs, records=(*pairs.records, *plain("gray").records))
    with pytest.raises(DatasetError, match=r"1 of 3 pictures .* have no picture before editing: image_0001\.png"):
        trained(base, mixed, tmp_path)
    with pytest.raises(DatasetError, match="regularization set holds pairs"):
        trained(base, plain("gray"), tmp_path, regularization=pairs)


def test_regularization_pictures_may_be_plain(base, pairs, tmp_path):
    assert trained(base, pairs, tmp_path, regularization=plain("gray", "pink")).losses


def test_an_edit_model_without_pairs_is_told_of(base, tmp_path):
    assert any("none before editing" in note for note in trained(base, plain("gray"), tmp_path).notes)


def test_the_result_has_the_shape_of_the_picture_to_edit(base):
    request = GenerationRequest(prompts=("x",), references=(Image.new("RGB", (300, 90)),), steps=1)
    picture = result(generate(base, request))[0]
    assert picture.image.size == picture.reference.size and picture.image.width > picture.image.height

"""SDXL: prompts, predictions and pictures are those of diffusers, from a folder and from a single file; it trains."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import BaseModelError
from lora_workbench.engine.core.events import StepDone
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.models import FAMILIES, registry
from lora_workbench.engine.models.diffusers_parts import tensor_names
from lora_workbench.engine.models.families import sd1, sdxl
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image
from single_file import save_checkpoint
from tiny import save_tiny_sd1, save_tiny_sdxl

PROMPTS = ["a photo of a fox", "a red bus on a blue background"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_sdxl(tmp_path_factory.mktemp("sdxl"))


@pytest.fixture(scope="module")
def checkpoint(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(folder, tmp_path_factory.mktemp("file") / "tiny xl.safetensors", family=sdxl.FAMILY)


@pytest.fixture(scope="module")
def base(folder: Path):
    return registry.load_base(folder, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def pipeline(folder: Path):
    from diffusers import StableDiffusionXLPipeline

    made = StableDiffusionXLPipeline.from_pretrained(folder, local_files_only=True, add_watermarker=False)
    made.set_progress_bar_config(disable=True)
    return made


def finish(events):
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


def pictures_by_diffusers(pipeline, steps: int = 5, guidance: float = 6.0) -> np.ndarray:
    images = pipeline(
        prompt=PROMPTS, negative_prompt=["blurry"] * 2, num_inference_steps=steps, guidance_scale=guidance,
        generator=[torch.Generator().manual_seed(3) for _ in PROMPTS],
    ).images  # fmt: skip
    return np.stack([np.asarray(image, dtype=int) for image in images])


def pictures_by_us(base, stack: Stack | None = None) -> np.ndarray:
    request = GenerationRequest(
        prompts=tuple(PROMPTS), seeds=(3,), negative_prompt="blurry", steps=5, guidance=6.0, batch_size=2
    )
    return np.stack([np.asarray(made.image, dtype=int) for made in finish(generate(base, request, stack))])


def test_prompts_are_encoded_as_diffusers_does(base, pipeline):
    with torch.no_grad():
        ours = base.encode_prompts(PROMPTS)
        states, _, pooled, _ = pipeline.encode_prompt(PROMPTS, device="cpu", do_classifier_free_guidance=False)
    torch.testing.assert_close(ours["states"], states, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours["pooled"], pooled, atol=1e-5, rtol=1e-5)


def test_predictions_are_those_of_diffusers_told_the_same_size(base, pipeline):
    generator = torch.Generator().manual_seed(0)
    x, t = torch.randn(2, 4, 8, 12, generator=generator), torch.tensor([100, 900])

    def by_diffusers(height: int, width: int) -> torch.Tensor:
        size = (height, width)
        ids = pipeline._get_add_time_ids(size, (0, 0), size, torch.float32, conditioning["pooled"].shape[1])
        told = {"text_embeds": conditioning["pooled"], "time_ids": ids.expand(2, -1)}
        return pipeline.unet(x, t, conditioning["states"], added_cond_kwargs=told).sample

    with torch.no_grad():
        conditioning = base.encode_prompts(PROMPTS)
        ours = base.predict(x, t, conditioning)
        torch.testing.assert_close(ours, by_diffusers(32, 48), atol=1e-5, rtol=1e-5)
        assert (ours - by_diffusers(48, 32)).abs().max() > 1e-3


def test_pictures_are_those_of_diffusers(base, pipeline):
    ours, theirs = pictures_by_us(base), pictures_by_diffusers(pipeline)
    assert abs(ours - theirs).max() <= 1
    assert abs(theirs[0] - theirs[1]).mean() > 1


def test_a_single_file_gives_the_same(folder: Path, checkpoint: Path, base):
    made = sdxl.load(checkpoint, device="cpu", precision="fp32", config=folder)
    x, t = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)), torch.tensor([100, 900])
    with torch.no_grad():
        for name, tensor in made.encode_prompts(PROMPTS).items():
            torch.testing.assert_close(tensor, base.encode_prompts(PROMPTS)[name])
        conditioning = base.encode_prompts(PROMPTS)
        torch.testing.assert_close(made.predict(x, t, conditioning), base.predict(x, t, conditioning))
        images = torch.rand(1, 3, 32, 32) * 2 - 1
        torch.testing.assert_close(made.encode_images(images), base.encode_images(images))
    assert made.info.family == "sdxl"


def test_it_is_told_from_sd1_by_its_second_text_encoder(checkpoint: Path, tmp_path: Path):
    small = save_checkpoint(save_tiny_sd1(tmp_path / "sd1"), tmp_path / "sd1.safetensors")
    for file, families in ((checkpoint, [sdxl.FAMILY]), (small, [sd1.FAMILY])):
        assert [family for family in FAMILIES if family.recognizes(file, tensor_names(file))] == families


def test_a_checkpoint_of_another_size_than_the_standard_is_refused(checkpoint: Path):
    with pytest.raises(BaseModelError, match="tiny xl has no usable unet"):
        registry.load_base(checkpoint, device="cpu")


@pytest.mark.parametrize("markers", [("v_pred",), ("v_pred", "ztsnr")])
def test_markers_of_noobai_mean_v_prediction(folder: Path, tmp_path: Path, markers: tuple[str, ...]):
    file = save_checkpoint(folder, tmp_path / "noob.safetensors", markers=markers, family=sdxl.FAMILY)
    base = sdxl.load(file, device="cpu", config=folder)
    assert base.info.prediction_type == "v_prediction"
    assert (base.timesteps(torch.tensor([0.9999])).alpha.item() == 0) is ("ztsnr" in markers)
    *_, clean = base.sample(torch.ones(2, 4, 8, 8), base.encode_prompts(PROMPTS), None, steps=3, guidance=1)
    assert clean.isfinite().all()


def training(base, folder: Path, targets: str = "attention_and_feed_forward"):
    """Four steps with both text encoders."""
    images = [Image.new("RGB", (32, 32), color) for color in ("red", "green")]
    recipe = Recipe.of(
        steps=4, rank=4, alpha=8.0, learning_rate=1e-2, text_encoder_learning_rate=1e-2, train_text_encoder=True,
        warmup_steps=0, targets=targets,
    )  # fmt: skip
    dataset = dataset_from_images(images, PROMPTS, "colors")
    return train_adapter(base, dataset, recipe, seed=1, store=RunStore(folder), name="x")


@pytest.mark.parametrize("targets", ["attention_and_feed_forward", "all_layers"])
def test_diffusers_generates_the_same_with_what_was_trained(folder: Path, pipeline, tmp_path: Path, targets: str):
    from peft.tuners.lora import LoraLayer

    base = registry.load_base(folder, device="cpu", precision="fp32")
    trained = finish(training(base, tmp_path, targets))
    components = {key.split(".", 1)[0] for key in trained.adapter.modules}
    assert components == {"denoiser", "text_encoder", "text_encoder_2"}
    from safetensors import safe_open

    with safe_open(trained.adapter.path, "pt") as file:
        begins = {name.split("_")[1] for name in file.keys()}  # noqa: SIM118
    assert begins == {"unet", "te1", "te2"}
    ours, plain = pictures_by_us(base, Stack((StackEntry(trained.adapter),))), pictures_by_us(base)
    pipeline.load_lora_weights(str(trained.adapter.path))
    try:
        parts = (pipeline.unet, pipeline.text_encoder, pipeline.text_encoder_2)
        layers = [layer for part in parts for layer in part.modules() if isinstance(layer, LoraLayer)]
        assert len(layers) == len(trained.adapter.modules), "every layer finds its place"
        theirs = pictures_by_diffusers(pipeline)
    finally:
        pipeline.unload_lora_weights()
    assert abs(ours - plain).mean() > 0.5
    assert abs(ours - theirs).max() <= 1


def test_a_stopped_training_goes_on_to_the_same_bits(base, tmp_path: Path):
    """Also where the first text encoder's last layer never gets a gradient, and so no state of the optimizer."""
    whole = finish(training(base, tmp_path / "whole"))
    events = training(base, tmp_path / "stopped")
    while not (isinstance(event := next(events), StepDone) and event.step == 2):
        pass
    events.close()
    rest = finish(training(base, tmp_path / "stopped"))
    assert rest.resumed_at == 2
    assert rest.adapter.content_hash == whole.adapter.content_hash


def test_a_finished_run_is_given_back_without_loading_an_encoder(base, folder: Path, tmp_path: Path):
    finish(training(base, tmp_path))
    fresh = registry.load_base(folder, device="cpu", precision="fp32")
    assert finish(training(fresh, tmp_path)).cached
    assert not fresh._encoders


def test_a_stack_without_text_encoder_part_loads_no_text_encoder(folder: Path, tmp_path: Path):
    base = registry.load_base(folder, device="cpu", precision="fp32")
    dataset = dataset_from_images([Image.new("RGB", (32, 32))], ["a"], "black")
    recipe = Recipe.of(steps=1, rank=1, alpha=1.0)
    trained = finish(train_adapter(base, dataset, recipe, seed=1, store=RunStore(tmp_path), name="x"))
    fresh = registry.load_base(folder, device="cpu", precision="fp32")
    with applied(fresh, Stack((StackEntry(trained.adapter),))):
        assert not fresh._encoders

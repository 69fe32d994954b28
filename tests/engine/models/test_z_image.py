"""The backbone of Z-Image beside diffusers' pipeline, on a tiny model with random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from diffusers_pipelines import PROMPTS, generated, lora_layers, noise_for, random_adapter
from lora_workbench.engine.adapters.stack import Stack, StackEntry, applied
from lora_workbench.engine.core.errors import CaptionError
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from tiny import save_tiny_z_image


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_z_image(tmp_path_factory.mktemp("z-image"))


@pytest.fixture(scope="module")
def base(folder: Path) -> Backbone:
    return load_base(folder, device="cpu", precision="fp32")


@pytest.mark.parametrize("guidance", [1.0, 4.5])
def test_it_generates_what_the_pipeline_generates(base: Backbone, folder: Path, guidance: float) -> None:
    """The pipeline's scale counts from 0, ours from 1."""
    import torch
    from diffusers import ZImagePipeline

    noise, negatives = noise_for(base, 2, 32, 48), ["a dark photo", "old"]
    theirs = ZImagePipeline.from_pretrained(folder, local_files_only=True)(
        list(PROMPTS), negative_prompt=list(negatives), height=32, width=48, num_inference_steps=4,
        guidance_scale=guidance - 1, latents=noise, output_type="np",
    ).images  # fmt: skip
    ours = generated(base, noise, PROMPTS, negatives, steps=4, guidance=guidance)
    torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=0, atol=1e-4)


def test_the_pipeline_loads_all_of_an_adapter(base: Backbone, folder: Path, tmp_path: Path) -> None:
    import torch
    from diffusers import ZImagePipeline

    adapter = random_adapter(base, tmp_path / "fox.safetensors")
    noise = noise_for(base, 2, 32, 32)
    plain = generated(base, noise, PROMPTS, None, steps=2, guidance=1.0)
    with applied(base, Stack((StackEntry(adapter),))):
        ours = generated(base, noise, PROMPTS, None, steps=2, guidance=1.0)
    pipeline = ZImagePipeline.from_pretrained(folder, local_files_only=True)
    pipeline.load_lora_weights(tmp_path, weight_name="fox.safetensors")
    assert lora_layers(pipeline.transformer) == len(adapter.modules)
    theirs = pipeline(
        list(PROMPTS), height=32, width=32, num_inference_steps=2, guidance_scale=0.0, latents=noise, output_type="np"
    ).images
    torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=0, atol=1e-4)
    assert (ours - plain).abs().max() > 0.01


def test_a_prediction_depends_on_no_other_prompt_of_the_batch(base: Backbone) -> None:
    import torch

    x, t = noise_for(base, 2, 32, 32), torch.tensor([0.3, 0.8])
    with torch.no_grad():
        states = base.encode_prompts(["a fox", "a very long prompt " * 30])
        together = base.predict(x, t, states)
        alone = base.predict(x[:1], t[:1], base.encode_prompts(["a fox"]))
    torch.testing.assert_close(together[:1], alone, rtol=1e-5, atol=1e-5)


def test_turbo_is_known_by_its_shift(tmp_path: Path) -> None:
    turbo = load_base(save_tiny_z_image(tmp_path, shift=3.0), device="cpu").info
    assert (turbo.traits.title, turbo.generation.steps, turbo.generation.guidance) == ("Z-Image Turbo", 9, 1.0)


def test_a_prompt_without_positions_is_refused(base: Backbone) -> None:
    with pytest.raises(CaptionError, match=r"(?s)has [\d,]+ tokens.*at most 8,160 tokens"):
        base.encode_prompts(["y " * 5000])

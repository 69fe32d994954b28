"""Names of Anima's layers in files, and its text conditioner, which adapters may change."""

from __future__ import annotations

from pathlib import Path

import pytest
from diffusers_pipelines import PROMPTS, generated, lora_layers, noise_for, pipeline_of, random_adapter
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from tiny import save_tiny_anima


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_anima(tmp_path_factory.mktemp("anima"))


@pytest.fixture(scope="module")
def base(folder: Path) -> Backbone:
    return load_base(folder, device="cpu", precision="fp32")


def test_diffusers_reads_its_names_as_those_of_the_layers(base: Backbone) -> None:
    import torch
    from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_anima_lora_to_diffusers as convert

    for key in base.info.target_presets["all_layers"]:
        [(part, _)] = base.file_parts(key)
        name = part.replace("denoiser.", "diffusion_model.", 1)
        [read] = convert({f"{name}.lora_A.weight": torch.zeros(1)})
        path = read.removesuffix(".lora_A.weight").removeprefix("transformer.")
        assert f"denoiser.{path}" == key


def test_an_adapter_of_all_layers_makes_the_pictures_of_the_pipeline(
    base: Backbone, folder: Path, tmp_path: Path
) -> None:
    import torch
    from diffusers import ClassifierFreeGuidance

    adapter = random_adapter(base, tmp_path / "random.safetensors")
    noise = noise_for(base, 1, 32, 32)
    pipeline = pipeline_of(folder, "anima")
    pipeline.update_components(guider=ClassifierFreeGuidance(guidance_scale=4.0))
    pipeline.load_lora_weights(str(tmp_path), weight_name="random.safetensors")
    assert lora_layers(pipeline.text_conditioner) > 0
    assert lora_layers(pipeline.transformer) + lora_layers(pipeline.text_conditioner) == len(adapter.modules)
    [expected] = pipeline(
        prompt=PROMPTS[0], height=32, width=32, num_inference_steps=3, latents=noise.unsqueeze(2), output_type="np",
        output="images",
    )  # fmt: skip
    plain = generated(base, noise, PROMPTS[:1], [""], steps=3, guidance=4.0)
    with applied(base, Stack((StackEntry(load_adapter(tmp_path / "random.safetensors")),))):
        [found] = generated(base, noise, PROMPTS[:1], [""], steps=3, guidance=4.0)
    assert (found - plain[0]).abs().max() > 0.01
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-4)


def test_files_with_the_names_of_diffusers_are_the_same_adapter(base: Backbone, tmp_path: Path) -> None:
    import torch
    from diffusers.loaders.lora_conversion_utils import _convert_non_diffusers_anima_lora_to_diffusers as convert
    from safetensors.torch import load_file, save_file

    random_adapter(base, tmp_path / "random.safetensors")
    save_file(convert(load_file(tmp_path / "random.safetensors")), tmp_path / "diffusers.safetensors")
    noise = noise_for(base, 1, 32, 32)
    made = []
    for name in ("random", "diffusers"):
        with applied(base, Stack((StackEntry(load_adapter(tmp_path / f"{name}.safetensors")),))):
            made.append(generated(base, noise, PROMPTS[:1], None, steps=2, guidance=1.0))
    assert torch.equal(*made)


def test_places_of_tokens_are_exact_at_half_precision(base: Backbone, folder: Path) -> None:
    import torch

    half = load_base(folder, device="cpu", precision="bf16")
    exact, found = (dict(own.denoiser.named_buffers()) for own in (base, half))
    place = "text_conditioner.rotary_emb.inv_freq"
    assert torch.equal(found[place], exact[place])

"""Backbones of flow transformers beside diffusers' own pipelines, on tiny models with random weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from diffusers_pipelines import PROMPTS, generated, noise_for, pipeline_of
from lora_workbench.engine.core.errors import BaseModelError, CaptionError
from lora_workbench.engine.models.contract import Backbone, Conditioning
from lora_workbench.engine.models.latents import packed
from lora_workbench.engine.models.registry import load_base
from tiny import (
    TINY,
    save_tiny_flux1,
    save_tiny_flux2,
    save_tiny_flux3,
    save_tiny_krea2,
    save_tiny_qwen_image21,
    save_tiny_z_image,
)

if TYPE_CHECKING:
    from torch import Tensor

NEGATIVE = "a dark photo"


def as_they_are(latents: Tensor) -> Tensor:
    return latents


@dataclass(frozen=True)
class Theirs:
    """How diffusers' pipeline of a family is called."""

    pipeline: str
    latents: Callable[[Tensor], Tensor] = lambda latents: packed(latents, 2)
    """Ours -> those that it takes."""
    guidance: Callable[[float], Mapping[str, Any]] = lambda scale: {"guidance_scale": scale}
    """Our scale -> its arguments."""
    negative: bool = True
    """Whether it takes a negative prompt; else its own is empty."""
    width: int = 48
    """Of the pictures, in pixels."""
    modular: bool = False
    """Whether guidance is one of its components."""


PIPELINES = {
    "flux1": Theirs("FluxPipeline", negative=False),
    "flux2": Theirs("Flux2KleinPipeline", as_they_are, negative=False),
    "z-image": Theirs("ZImagePipeline", as_they_are, lambda scale: {"guidance_scale": scale - 1}),
    "qwen-image": Theirs("QwenImagePipeline", guidance=lambda scale: {"true_cfg_scale": scale}),
    "qwen-image-2.1": Theirs(
        "QwenImage21Pipeline", lambda latents: packed(latents, 1), lambda scale: {"true_cfg_scale": scale}, width=64
    ),
    "krea2": Theirs("Krea2Pipeline", guidance=lambda scale: {"guidance_scale": scale - 1}),
    "anima": Theirs(
        "AnimaModularPipeline", lambda latents: latents.unsqueeze(2), lambda _: {"output": "images"}, modular=True
    ),
}


@pytest.fixture(scope="module", params=PIPELINES)
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(family: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return TINY[family](tmp_path_factory.mktemp(family))


@pytest.fixture(scope="module")
def base(folder: Path) -> Backbone:
    return load_base(folder, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def pipeline(family: str, folder: Path) -> Any:
    pipeline = pipeline_of(folder, family)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("guidance", [1.0, 4.5])
def test_it_generates_what_the_pipeline_generates(base: Backbone, pipeline: Any, family: str, guidance: float) -> None:
    import torch
    from diffusers import ClassifierFreeGuidance

    theirs = PIPELINES[family]
    if theirs.modular:
        pipeline.update_components(guider=ClassifierFreeGuidance(guidance_scale=guidance))
    noise = noise_for(base, 1, 32, theirs.width)
    for prompt in PROMPTS:
        negative = {"negative_prompt": NEGATIVE} if theirs.negative and guidance != 1 else {}
        made = pipeline(
            prompt=prompt, height=32, width=theirs.width, num_inference_steps=3, latents=theirs.latents(noise),
            output_type="np", **theirs.guidance(guidance), **negative,
        )  # fmt: skip
        [expected] = made if theirs.modular else made.images
        unguided = guidance == 1 or "classifier_free_guidance" not in base.info.capabilities
        negatives = None if unguided else [NEGATIVE if theirs.negative else ""]
        [found] = generated(base, noise, [prompt], negatives, steps=3, guidance=guidance)
        torch.testing.assert_close(found, torch.from_numpy(expected[..., :3]), rtol=0, atol=1e-4)


def test_a_prediction_depends_on_no_other_prompt_of_the_batch(base: Backbone) -> None:
    import torch

    x, t = noise_for(base, 3, 32, 32), torch.tensor([0.3, 0.8, 0.5])
    prompts = ["a fox", "a very long prompt " * 150, "a red bus"]
    with torch.no_grad():
        together = base.predict(x, t, base.encode_prompts(prompts))
        for place, prompt in enumerate(prompts):
            alone = base.predict(x[place : place + 1], t[place : place + 1], base.encode_prompts([prompt]))
            torch.testing.assert_close(together[place : place + 1], alone, rtol=1e-4, atol=1e-5)


def test_the_reference_is_seen(base: Backbone) -> None:
    import torch

    if "reference_pictures" not in base.info.capabilities:
        pytest.skip(f"{base.info.family} doesn't edit")
    x, t = noise_for(base, 2, 32, 32), torch.tensor([0.3, 0.8])
    with torch.no_grad():
        plain = base.predict(x, t, base.encode_prompts(PROMPTS))
        sees = "prompts_see_pictures" in base.info.capabilities
        states = base.encode_prompts(PROMPTS, torch.zeros(2, 3, 32, 32) if sees else None)
        unlike = [base.predict(x, t, Conditioning(states | {"reference": shown})) for shown in (x, x.flip(0))]
        edited = unlike[0]
    assert edited.shape == plain.shape
    assert (edited - plain).abs().max() > 1e-3
    assert (edited - unlike[1]).abs().max() > 1e-3


@pytest.mark.parametrize("family", ["flux2"], indirect=True)
def test_klein_edits_as_the_pipeline_does(base: Backbone, pipeline: Any) -> None:
    import numpy as np
    import torch
    from PIL import Image

    shown = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    pixels = torch.from_numpy(np.array(shown)).permute(2, 0, 1)[None] / 127.5 - 1
    noise = noise_for(base, 1, 64, 64)
    [expected] = pipeline(
        image=shown, prompt=PROMPTS[0], height=64, width=64, num_inference_steps=3, guidance_scale=1.0, latents=noise,
        output_type="np",
    ).images  # fmt: skip
    with torch.no_grad():
        states = Conditioning(base.encode_prompts(PROMPTS[:1]) | {"reference": base.encode_images(pixels)})
    *_, latents = base.sample(noise, states, None, steps=3, guidance=1.0)
    torch.testing.assert_close(base.decode(latents)[0].permute(1, 2, 0), torch.from_numpy(expected), rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", ["flux1-kontext"], indirect=True)
def test_kontext_edits_as_the_pipeline_does(base: Backbone, pipeline: Any) -> None:
    import numpy as np
    import torch
    from PIL import Image

    shown = Image.fromarray(np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8))
    pixels = torch.from_numpy(np.array(shown)).permute(2, 0, 1)[None] / 127.5 - 1
    noise = noise_for(base, 1, 64, 64)
    [expected] = pipeline(
        image=shown, prompt=PROMPTS[0], height=64, width=64, max_area=64 * 64, num_inference_steps=3,
        guidance_scale=2.5, latents=packed(noise, 2), output_type="np", _auto_resize=False,
    ).images  # fmt: skip
    with torch.no_grad():
        states = Conditioning(base.encode_prompts(PROMPTS[:1]) | {"reference": base.encode_images(pixels)})
    *_, latents = base.sample(noise, states, None, steps=3, guidance=2.5)
    torch.testing.assert_close(base.decode(latents)[0].permute(1, 2, 0), torch.from_numpy(expected), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("family", "guidance"), [("flux3", 1.0), ("flux3", 3.5), ("flux3-distilled", 1.0)], indirect=["family"]
)
@pytest.mark.parametrize("edits", [False, True])
def test_flux3_generates_and_edits_as_the_modular_pipeline_does(
    base: Backbone, pipeline: Any, family: str, guidance: float, edits: bool
) -> None:
    import numpy as np
    import torch
    from diffusers import ClassifierFreeGuidance
    from PIL import Image

    shown = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 80, 3), np.uint8))
    pixels = torch.from_numpy(np.array(shown)).permute(2, 0, 1)[None] / 127.5 - 1
    noise = noise_for(base, 1, 64, 80)
    if family == "flux3":
        pipeline.update_components(guider=ClassifierFreeGuidance(guidance_scale=guidance))
    [expected] = pipeline(
        prompt=PROMPTS[0], height=64, width=80, num_inference_steps=3, latents=noise, output_type="np",
        output="images", **({"image": shown} if edits else {}),
    )  # fmt: skip
    with torch.no_grad():
        reference = {"reference": base.encode_images(pixels)} if edits else {}
        wanted, avoided = (Conditioning(base.encode_prompts([prompt]) | reference) for prompt in (PROMPTS[0], ""))
    *_, latents = base.sample(noise, wanted, avoided, steps=3, guidance=guidance)
    found = base.decode(latents)[0].permute(1, 2, 0)
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-4)


@pytest.mark.parametrize("family", ["qwen-image-2.1"], indirect=True)
@pytest.mark.parametrize("guidance", [1.0, 3.0])
def test_qwen_image_21_edits_as_the_pipeline_does(base: Backbone, pipeline: Any, guidance: float) -> None:
    import numpy as np
    import torch
    from PIL import Image

    shown = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    pixels = torch.from_numpy(np.array(shown)).permute(2, 0, 1)[None] / 127.5 - 1
    noise = noise_for(base, 1, 64, 64)
    [expected] = pipeline(
        image=shown, prompt=PROMPTS[0], negative_prompt=NEGATIVE, true_cfg_scale=guidance, height=64, width=64,
        num_inference_steps=3, latents=packed(noise, 1), output_resolution=64, output_type="np",
    ).images  # fmt: skip
    with torch.no_grad():
        reference = {"reference": base.encode_images(pixels)}
        wanted, avoided = (
            Conditioning(base.encode_prompts([prompt], pixels) | reference) for prompt in (PROMPTS[0], NEGATIVE)
        )
    *_, latents = base.sample(noise, wanted, avoided, steps=3, guidance=guidance)
    found = base.decode(latents)[0].permute(1, 2, 0)
    torch.testing.assert_close(found, torch.from_numpy(expected[..., :3]), rtol=0, atol=1e-4)
    blind = Conditioning(base.encode_prompts(PROMPTS[:1]) | reference)
    with pytest.raises(BaseModelError, match="prompt has places for 0"):
        base.predict(noise, torch.ones(1), blind)


def test_the_noise_levels_of_qwen_image_21_turbo(tmp_path: Path) -> None:
    import torch

    folder = save_tiny_qwen_image21(tmp_path, sample_sigmas=[1.0, 0.7, 0.2])
    base = load_base(folder, device="cpu", precision="fp32")
    assert (base.info.traits.title, base.info.generation.steps) == ("Qwen-Image 2.1 Turbo", 3)
    noise = noise_for(base, 1, 32, 32)
    [expected] = pipeline_of(folder, "qwen-image-2.1")(
        prompt=PROMPTS[0], height=32, width=32, latents=packed(noise, 1), output_type="np"
    ).images  # pyright: ignore[reportAttributeAccessIssue]
    [found] = generated(base, noise, PROMPTS[:1], None, steps=3, guidance=1.0)
    torch.testing.assert_close(found, torch.from_numpy(expected[..., :3]), rtol=0, atol=1e-4)


def test_qwen_image_21_refuses_sides_that_it_has_no_tokens_for(tmp_path: Path) -> None:
    import torch

    base = load_base(save_tiny_qwen_image21(tmp_path), device="cpu", precision="fp32")
    with pytest.raises(BaseModelError, match="multiples of 32"):
        base.encode_images(torch.zeros(1, 3, 32, 48))


@pytest.mark.parametrize(
    ("save", "options", "title", "steps", "guidance"),
    [
        (save_tiny_z_image, {"shift": 3.0}, "Z-Image Turbo", 9, 1.0),
        (save_tiny_krea2, {"is_distilled": True}, "Krea 2 Turbo", 8, 1.0),
        (save_tiny_flux2, {"is_distilled": True}, "FLUX.2 klein 4B", 4, 1.0),
        (save_tiny_flux3, {"distilled": True}, "FLUX.3 klein", 16, 1.0),
        (save_tiny_flux1, {"guidance": False}, "FLUX.1 schnell", 4, 1.0),
    ],
)
def test_distilled_variants_are_known(
    tmp_path: Path, save: Any, options: dict[str, Any], title: str, steps: int, guidance: float
) -> None:
    info = load_base(save(tmp_path, **options), device="cpu").info
    assert (info.traits.title, info.generation.steps, info.generation.guidance) == (title, steps, guidance)
    assert "distilled" in info.traits.published.advice


def test_a_prompt_without_positions_is_refused(tmp_path: Path) -> None:
    base = load_base(save_tiny_z_image(tmp_path), device="cpu")
    with pytest.raises(CaptionError, match=r"(?s)has [\d,]+ tokens.*at most 8,160 tokens"):
        base.encode_prompts(["y " * 5000])

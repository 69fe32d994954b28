"""Qwen-Image-Edit beside diffusers' own pipelines, on tiny models with random weights."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from diffusers_pipelines import PROMPTS, noise_for, pipeline_of
from lora_workbench.engine.core.errors import CaptionError
from lora_workbench.engine.models.contract import Backbone, Conditioning
from lora_workbench.engine.models.latents import packed
from lora_workbench.engine.models.registry import load_base
from tiny import save_tiny_qwen_image, save_tiny_qwen_image_edit

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

NEGATIVE = "a dark photo"
SIDE = 64
"""Of the square with the area of pictures to edit, where the pipelines have 1,024."""
VARIANTS = {
    "qwen-image-edit": {},
    "qwen-image-edit-2509": {"plus": True},
    "qwen-image-edit-2511": {"plus": True, "zero_cond_t": True},
}


@pytest.fixture(scope="module", params=VARIANTS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = save_tiny_qwen_image_edit(tmp_path_factory.mktemp(request.param), **VARIANTS[request.param])
    (folder / "lora_workbench.json").write_text(json.dumps({"resolution": SIDE}))
    return folder


@pytest.fixture(scope="module")
def base(folder: Path) -> Backbone:
    return load_base(folder, device="cpu", precision="fp32")


def picture(width: int = 2 * SIDE, height: int = SIDE // 2, seed: int = 0) -> Image.Image:
    """Random, with the area that the pipelines scale pictures to."""
    import numpy as np
    from PIL import Image

    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8))


def pixels_of(shown: Image.Image) -> Tensor:
    import numpy as np
    import torch

    return torch.from_numpy(np.array(shown)).permute(2, 0, 1)[None] / 127.5 - 1


def told(encoder: Any, arguments: Any, named: dict[str, Any]) -> Any:
    """What transformers' own processor would say of the tokens, and diffusers' pipelines leave out."""
    return arguments, named | {"mm_token_type_ids": (named["input_ids"] == 5).long()}


@pytest.fixture
def pipeline(folder: Path, base: Backbone, monkeypatch: pytest.MonkeyPatch) -> Any:
    """diffusers' pipeline, for small pictures."""
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit as edit
    from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as plus

    scaled = edit.calculate_dimensions
    monkeypatch.setattr(edit, "calculate_dimensions", lambda area, ratio: scaled(SIDE**2, ratio))
    monkeypatch.setattr(plus, "VAE_IMAGE_SIZE", SIDE**2)
    kind = json.loads((folder / "model_index.json").read_text())["_class_name"]
    pipeline = pipeline_of(folder, "qwen-image-edit-plus" if "Plus" in kind else "qwen-image-edit")
    pipeline.set_progress_bar_config(disable=True)
    pipeline.text_encoder.register_forward_pre_hook(told, with_kwargs=True)
    return pipeline


@pytest.mark.parametrize("guidance", [1.0, 4.0])
def test_it_edits_as_the_pipeline_does(base: Backbone, pipeline: Any, guidance: float) -> None:
    import torch

    shown = picture()
    noise = noise_for(base, 1, 32, 48)
    [expected] = pipeline(
        image=shown, prompt=PROMPTS[1], negative_prompt=NEGATIVE, true_cfg_scale=guidance, height=32, width=48,
        num_inference_steps=3, latents=packed(noise, 2), output_type="np",
    ).images  # fmt: skip
    pixels = pixels_of(shown)
    reference = {"reference": base.encode_images(pixels)}
    wanted, avoided = (
        Conditioning(base.encode_prompts([prompt], pixels) | reference) for prompt in (PROMPTS[1], NEGATIVE)
    )
    *_, latents = base.sample(noise, wanted, avoided, steps=3, guidance=guidance)
    found = base.decode(latents)[0].permute(1, 2, 0)
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=0, atol=1e-4)


def test_the_text_encoder_sees_rows_and_columns(base: Backbone) -> None:
    """A gray picture consists of equal patches, which only their places tell apart."""
    from PIL import Image

    sizes = [(2 * SIDE, SIDE // 2), (SIDE // 2, 2 * SIDE)]
    wide, tall = (base.encode_prompts(["a fox"], pixels_of(Image.new("RGB", size)))["states"] for size in sizes)
    assert wide.shape == tall.shape
    assert (wide - tall).abs().max() > 1e-2


def test_prompts_and_pictures_of_a_batch_are_apart(base: Backbone) -> None:
    import torch

    pixels = torch.cat([pixels_of(picture(seed=seed)) for seed in range(3)])
    reference, prompts = base.encode_images(pixels), ["a fox", "a very long prompt " * 50, "a red bus"]
    x, t = noise_for(base, 3, 32, 32), torch.tensor([0.3, 0.8, 0.5])
    states = Conditioning(base.encode_prompts(prompts, pixels) | {"reference": reference})
    with torch.no_grad():
        together = base.predict(x, t, states)
        for place in range(3):
            row = slice(place, place + 1)
            own = base.encode_prompts(prompts[row], pixels[row]) | {"reference": reference[row]}
            torch.testing.assert_close(
                together[row], base.predict(x[row], t[row], Conditioning(own)), rtol=1e-4, atol=1e-5
            )
        other = base.predict(x, t, Conditioning(states | {"reference": reference.flip(0)}))
    assert (together - other).abs().max() > 1e-3


def test_without_a_picture_there_is_none_in_the_prompt(folder: Path, base: Backbone) -> None:
    """As with diffusers' pipeline of 2509, whatever the version."""
    import torch

    pipeline = pipeline_of(folder, "qwen-image-edit-plus")
    with torch.no_grad():
        expected, _ = pipeline.encode_prompt(PROMPTS[0], image=None)
    seeing = base.encode_prompts(PROMPTS[:1], pixels_of(picture()))["states"]
    assert seeing.shape[1] > expected.shape[1]
    torch.testing.assert_close(base.encode_prompts(PROMPTS[:1])["states"], expected)


@pytest.mark.parametrize(
    ("options", "title", "architecture", "steps"),
    [
        ({}, "Qwen-Image-Edit", "Qwen-Image-Edit", 50),
        ({"plus": True}, "Qwen-Image-Edit 2509", "Qwen-Image-Edit-Plus", 40),
        ({"plus": True, "zero_cond_t": True}, "Qwen-Image-Edit 2511", "Qwen-Image-Edit-2511", 40),
    ],
)
def test_variants_are_known(
    tmp_path: Path, options: dict[str, bool], title: str, architecture: str, steps: int
) -> None:
    info = load_base(save_tiny_qwen_image_edit(tmp_path, **options), device="cpu").info
    assert (info.family, info.traits.title, info.architecture) == ("qwen-image", title, architecture)
    assert (info.generation.steps, info.generation.guidance) == (steps, 4.0)
    assert {"reference_pictures", "prompts_see_pictures"} <= info.capabilities


@pytest.mark.parametrize("save", [save_tiny_qwen_image, functools.partial(save_tiny_qwen_image_edit, plus=True)])
def test_a_prompt_without_positions_is_refused(tmp_path: Path, save: Any) -> None:
    base = load_base(save(tmp_path), device="cpu")
    with pytest.raises(CaptionError, match=r"(?s)has [\d,]+ tokens.*at most 3,900 tokens"):
        base.encode_prompts(["y " * 5000])

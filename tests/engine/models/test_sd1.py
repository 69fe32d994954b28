"""The diffusers backbone of SD1.x: the pictures of diffusers' own pipeline, clear errors, and silence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from lora_workbench.engine.core.errors import BaseModelError
from lora_workbench.engine.core.quiet import quiet
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.families import sd1
from tiny import save_tiny_sd1

if TYPE_CHECKING:
    import numpy as np

OUTDATED = pytest.mark.filterwarnings("ignore:(?s).*of this scheduler:FutureWarning")
PROMPTS = ("a photo of a fox", "a drawing of a red bus on a blue background")
SEEDS = (3, 4)
PARTS = tuple(sd1.FAMILY.parts)
WITH_WEIGHTS = tuple(name for name, part in sd1.FAMILY.parts.items() if part.prefix)


def edit_json(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def drawn_by_us(folder: Path, steps: int, guidance: float, batch_size: int = 3) -> np.ndarray:
    """(pictures, H, W, 3), prompts outermost."""
    import numpy as np

    request = GenerationRequest(
        prompts=PROMPTS, seeds=SEEDS, negative_prompt="blurry", steps=steps, guidance=guidance, batch_size=batch_size
    )
    events = generate(registry.load_base(folder, device="cpu", precision="fp32"), request)
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return np.stack([np.asarray(result.image, dtype=int) for result in stop.value])


def drawn_by_diffusers(folder: Path, steps: int, guidance: float) -> np.ndarray:
    import numpy as np
    import torch
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(folder, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    wanted = [(prompt, seed) for prompt in PROMPTS for seed in SEEDS]
    images = pipeline(
        prompt=[prompt for prompt, _ in wanted],
        negative_prompt=["blurry"] * len(wanted),
        generator=[torch.Generator().manual_seed(seed) for _, seed in wanted],
        num_inference_steps=steps,
        guidance_scale=guidance,
    ).images
    return np.stack([np.asarray(image, dtype=int) for image in images])


@OUTDATED
@pytest.mark.parametrize(
    ("kind", "guidance"),
    [
        ({"scheduler": "DDIMScheduler"}, 1.0),
        ({"scheduler": "DDIMScheduler"}, 7.0),
        ({"scheduler": "PNDMScheduler"}, 7.0),
        ({"scheduler": "DDIMScheduler", "prediction_type": "v_prediction", "zero_snr": True}, 7.0),
        ({"scheduler": "EulerDiscreteScheduler"}, 7.0),
    ],
    ids=["epsilon-DDIM-unguided", "epsilon-DDIM", "epsilon-PNDM", "v-DDIM-zero-SNR", "epsilon-Euler"],
)
def test_pictures_are_those_of_diffusers(tmp_path: Path, kind: dict[str, Any], guidance: float):
    folder, steps = save_tiny_sd1(tmp_path / "base", **kind), 5  # PNDM looks back at four
    ours, theirs = drawn_by_us(folder, steps, guidance), drawn_by_diffusers(folder, steps, guidance)
    assert abs(ours - theirs).max() <= 1
    assert abs(theirs[0] - theirs[1]).mean() > 2, "two seeds should differ, or this compares nothing"


def test_pictures_do_not_depend_on_the_batch(tiny_sd1: Path):
    assert abs(drawn_by_us(tiny_sd1, 2, 5.0, batch_size=1) - drawn_by_us(tiny_sd1, 2, 5.0, batch_size=4)).max() <= 1


@OUTDATED
def test_outdated_schedulers_are_corrected_as_diffusers_does(tmp_path: Path):
    folder = save_tiny_sd1(tmp_path / "base")
    edit_json(folder / "scheduler" / "scheduler_config.json", steps_offset=0, clip_sample=True)
    assert abs(drawn_by_us(folder, 3, 5.0) - drawn_by_diffusers(folder, 3, 5.0)).max() <= 1


def test_ddim_stands_in_for_samplers_that_draw_noise(tmp_path: Path):
    import numpy as np

    noisy = save_tiny_sd1(tmp_path / "noisy", scheduler="EulerAncestralDiscreteScheduler")
    ddim = save_tiny_sd1(tmp_path / "ddim")
    edit_json(ddim / "scheduler" / "scheduler_config.json", set_alpha_to_one=False)
    assert np.array_equal(drawn_by_us(noisy, 3, 5.0), drawn_by_us(ddim, 3, 5.0))


@pytest.fixture
def folder(tiny_sd1: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model, to be broken."""
    return shutil.copytree(tiny_sd1, tmp_path / "broken")


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part_is_named(folder: Path, part: str):
    shutil.rmtree(folder / part)
    with pytest.raises(BaseModelError, match=f"broken has no usable {part}: there is no folder {part}") as caught:
        registry.load_base(folder, device="cpu")
    assert caught.value.expected
    assert caught.value.hint


@pytest.mark.parametrize("part", WITH_WEIGHTS)
def test_parts_without_whole_weights_are_named(folder: Path, part: str):
    [weights] = (folder / part).glob("*.safetensors")
    content = weights.read_bytes()
    weights.write_bytes(content[: len(content) // 2])
    with pytest.raises(BaseModelError, match=f"{part}/{weights.name} can't be read") as caught:
        registry.load_base(folder, device="cpu")
    assert "download or copy it again" in caught.value.hint
    weights.unlink()
    with pytest.raises(BaseModelError, match=rf"no usable {part}: .*no \.safetensors"):
        registry.load_base(folder, device="cpu")


@pytest.mark.parametrize("part", WITH_WEIGHTS)
def test_missing_weights_are_never_made_up(folder: Path, part: str):
    import torch
    from safetensors.torch import load_file, save_file

    [file] = (folder / part).glob("*.safetensors")
    tensors = load_file(file)
    lost = sorted(name for name in tensors if name.endswith("norm1.weight") or "layer_norm1.weight" in name)[0]
    save_file({name: tensor for name, tensor in tensors.items() if name != lost}, file, {"format": "pt"})
    with pytest.raises(BaseModelError, match=f"broken has no usable {part}: no fitting weights for"):
        base = registry.load_base(folder, device="cpu")
        base.encode_prompts(["a fox"])
        base.encode_images(torch.zeros(1, 3, 32, 32))


@pytest.mark.parametrize(
    ("file", "content", "part"),
    [
        ("unet/config.json", "{", "unet"),
        ("vae/config.json", "", "vae"),
        ("scheduler/scheduler_config.json", "no", "scheduler"),
    ],
)
def test_damaged_configuration_is_named(folder: Path, file: str, content: str, part: str):
    (folder / file).write_text(content)
    with pytest.raises(BaseModelError, match=f"broken has no usable {part}"):
        registry.load_base(folder, device="cpu")


def test_other_sizes_than_configured_are_refused(folder: Path):
    edit_json(folder / "unet" / "config.json", block_out_channels=[64, 64])
    with pytest.raises(BaseModelError, match="broken has no usable unet"):
        registry.load_base(folder, device="cpu")


def test_objectives_that_are_not_known_are_refused(folder: Path):
    edit_json(folder / "scheduler" / "scheduler_config.json", prediction_type="sample")
    with pytest.raises(BaseModelError, match="predicts 'sample'") as caught:
        registry.load_base(folder, device="cpu")
    assert caught.value.hint


@pytest.mark.parametrize("index", [None, "{", "[]", '{"_class_name": "StableDiffusion3Pipeline"}'])
def test_folders_of_other_things_are_not_recognized(folder: Path, index: str | None):
    (folder / "model_index.json").unlink()
    if index is not None:
        (folder / "model_index.json").write_text(index)
    with pytest.raises(BaseModelError, match="is not a base model of a known family") as caught:
        registry.load_base(folder, device="cpu")
    assert caught.value.hint


def test_folders_of_stable_diffusion_2_are_not_recognized(folder: Path):
    edit_json(folder / "unet" / "config.json", use_linear_projection=True)
    assert not sd1.FAMILY.recognizes(folder, frozenset())


def test_a_missing_path_is_named(tmp_path: Path):
    with pytest.raises(BaseModelError, match=r"No base model at .*nowhere") as caught:
        registry.load_base(tmp_path / "nowhere")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("setting", "words"), [("device", "Device 'abacus'"), ("precision", "Unknown precision 'abacus'")]
)
def test_unknown_devices_and_precisions_are_named(tiny_sd1: Path, setting: str, words: str):
    with pytest.raises(BaseModelError, match=words) as caught:
        registry.load_base(tiny_sd1, **{"device": "cpu", setting: "abacus"})
    assert "auto" in caught.value.expected
    assert "auto" in caught.value.hint


def test_loading_prints_nothing(tiny_sd1: Path):
    """In a process of its own, because libraries warn once and when imported."""
    script = """
import sys, torch
from lora_workbench.engine.models.registry import load_base
base = load_base(sys.argv[1], device="cpu", precision="bf16")
base.encode_prompts(["a fox"])
base.decode(base.encode_images(torch.zeros(1, 3, 32, 32)))
"""
    command = [sys.executable, "-c", script, str(tiny_sd1)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=100)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("bars", [True, False])
def test_quiet_leaves_the_libraries_as_they_were(bars: bool):
    from diffusers.utils import logging as diffusers_logging
    from huggingface_hub.utils import are_progress_bars_disabled
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)

    def state() -> list[Any]:
        shown = [(library.get_verbosity(), library.is_progress_bar_enabled()) for library in libraries]
        return [*shown, are_progress_bars_disabled()]

    original = state()
    try:
        for library in libraries:
            library.set_verbosity_info()
            library.enable_progress_bar() if bars else library.disable_progress_bar()
        before = state()
        with pytest.raises(RuntimeError), quiet():
            assert state() != before
            raise RuntimeError
        assert state() == before
    finally:
        for library, (verbosity, shown) in zip(libraries, original[:2], strict=True):
            library.set_verbosity(verbosity)
            library.enable_progress_bar() if shown else library.disable_progress_bar()

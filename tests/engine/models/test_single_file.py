"""Single-file checkpoints of SD1.x: what a diffusers folder of the same weights does, they do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from lora_workbench.engine.core.errors import BaseModelError
from lora_workbench.engine.models import diffusers_parts, registry, sd1, sdxl
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.family import Family
from single_file import renamed, save_checkpoint

if TYPE_CHECKING:
    from torch import Tensor

PROMPTS = ["a photo of a fox", "a red bus"]


@pytest.fixture(scope="module")
def checkpoint(tiny_sd1: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_checkpoint(tiny_sd1, tmp_path_factory.mktemp("checkpoint") / "tiny fox.safetensors")


def change_tensors(source: Path, target: Path, change: dict[str, Tensor | None]) -> Path:
    """Copy a safetensors file with some tensors replaced, or left out where the new one is ``None``."""
    from safetensors.torch import load_file, save_file

    tensors = {name: tensor for name, tensor in {**load_file(source), **change}.items() if tensor is not None}
    save_file(tensors, target)
    return target


def outputs(base: Backbone) -> list[Tensor]:
    """Encoded prompts and pictures, a prediction and decoded pictures, on fixed input."""
    import torch

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, 4, 8, 8, generator=generator)
    images = torch.rand(2, 3, 32, 32, generator=generator) * 2 - 1
    with torch.no_grad():
        states = base.encode_prompts(PROMPTS)
        predicted = base.predict(x, torch.tensor([10, 700]), states)
    return [states["states"], base.encode_images(images), predicted, base.decode(x)]


def assert_alike(one: Backbone, two: Backbone) -> None:
    import torch

    for found, expected in zip(outputs(one), outputs(two), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        assert expected.std() > 0.01


def test_it_does_what_the_folder_does(tiny_sd1: Path, checkpoint: Path):
    base = sd1.load(checkpoint, device="cpu", precision="fp32", config=tiny_sd1)
    assert_alike(base, sd1.load(tiny_sd1, device="cpu", precision="fp32"))
    assert base.info.name == "tiny fox"
    assert (base.info.prediction_type, base.info.resolution, base.info.latent_factor) == ("epsilon", 32, 4)


def test_half_precision_files_are_read_as_they_are(tiny_sd1: Path, tmp_path: Path):
    import torch
    from safetensors.torch import load_file

    folder = shutil.copytree(tiny_sd1, tmp_path / "half")
    for file in folder.rglob("*.safetensors"):
        change_tensors(file, file, {name: tensor.half() for name, tensor in load_file(file).items()})
    checkpoint = save_checkpoint(tiny_sd1, tmp_path / "half.safetensors", dtype=torch.float16)
    one, two = (sd1.load(path, device="cpu", precision="fp32", config=tiny_sd1) for path in (checkpoint, folder))
    assert_alike(one, two)


def test_old_files_name_the_text_encoder_without_text_model(tiny_sd1: Path, checkpoint: Path, tmp_path: Path):
    from safetensors.torch import load_file

    long = "cond_stage_model.transformer.text_model."
    text = {name: tensor for name, tensor in load_file(checkpoint).items() if name.startswith(long)}
    change: dict[str, Tensor | None] = {name.replace("text_model.", ""): tensor for name, tensor in text.items()}
    old = change_tensors(checkpoint, tmp_path / "old.safetensors", {**change, **dict.fromkeys(text)})
    base = sd1.load(old, device="cpu", precision="fp32", config=tiny_sd1)
    assert_alike(base, sd1.load(tiny_sd1, device="cpu", precision="fp32"))


def test_diffusers_reads_the_same_from_it(tiny_sd1: Path, checkpoint: Path):
    import torch
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_single_file(str(checkpoint), config=str(tiny_sd1), local_files_only=True)
    base = sd1.load(checkpoint, device="cpu", precision="fp32", config=tiny_sd1)
    for ours, theirs in [
        (base.denoiser, pipeline.unet),
        (base.load_component("text_encoder"), pipeline.text_encoder),
    ]:
        expected = theirs.state_dict()
        assert all(torch.equal(tensor, expected[name]) for name, tensor in ours.state_dict().items())


@pytest.mark.parametrize(
    ("markers", "prediction_type", "zero_snr"),
    [((), "epsilon", False), (("v_pred",), "v_prediction", False), (("v_pred", "ztsnr"), "v_prediction", True)],
)
def test_markers_tell_the_prediction_type(
    tiny_sd1: Path, tmp_path: Path, markers, prediction_type: str, zero_snr: bool
):
    import torch

    checkpoint = save_checkpoint(tiny_sd1, tmp_path / "marked.safetensors", markers=markers)
    base = sd1.load(checkpoint, device="cpu", config=tiny_sd1)
    assert base.info.prediction_type == prediction_type
    last = base.timesteps(torch.tensor([0.9999]))
    assert (last.alpha.item() == 0) is zero_snr
    *_, drawn = base.sample(torch.ones(1, 4, 8, 8), base.encode_prompts(["a fox"]), None, steps=3, guidance=1)
    assert drawn.isfinite().all()


SIZES = {
    "sd1": {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480},
    "sdxl": {
        "unet": 2_567_463_684, "vae": 83_653_863, "text_encoder": 123_060_480, "text_encoder_2": 694_659_840,
    },
}  # fmt: skip
"""Parameters of the originals."""
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "sd1": {
        "model.diffusion_model.input_blocks.4.1.transformer_blocks.0.attn2.to_k.weight": (640, 768),
        "model.diffusion_model.input_blocks.9.0.op.weight": (1280, 1280, 3, 3),
        "model.diffusion_model.middle_block.1.proj_in.weight": (1280, 1280, 1, 1),
        "model.diffusion_model.output_blocks.2.1.conv.weight": (1280, 1280, 3, 3),
        "model.diffusion_model.output_blocks.5.2.conv.weight": (1280, 1280, 3, 3),
        "model.diffusion_model.output_blocks.11.0.skip_connection.weight": (320, 640, 1, 1),
        "first_stage_model.decoder.up.1.block.0.nin_shortcut.weight": (256, 512, 1, 1),
        "first_stage_model.encoder.mid.attn_1.q.weight": (512, 512, 1, 1),
        "cond_stage_model.transformer.text_model.encoder.layers.11.mlp.fc1.weight": (3072, 768),
    },
    "sdxl": {
        "model.diffusion_model.input_blocks.4.1.transformer_blocks.1.attn2.to_k.weight": (640, 2048),
        "model.diffusion_model.input_blocks.8.1.transformer_blocks.9.ff.net.2.weight": (1280, 5120),
        "model.diffusion_model.middle_block.1.proj_in.weight": (1280, 1280),
        "model.diffusion_model.label_emb.0.0.weight": (1280, 2816),
        "model.diffusion_model.output_blocks.5.2.conv.weight": (640, 640, 3, 3),
        "conditioner.embedders.0.transformer.text_model.encoder.layers.11.mlp.fc1.weight": (3072, 768),
        "conditioner.embedders.1.model.transformer.resblocks.31.attn.in_proj_weight": (3840, 1280),
        "conditioner.embedders.1.model.text_projection": (1280, 1280),
    },
}
"""Of some tensors of the original checkpoints."""


@pytest.mark.parametrize("family", [sd1.FAMILY, sdxl.FAMILY], ids=lambda family: family.traits.name)
def test_standard_configuration_is_that_of_the_original(family: Family):
    """By the numbers of parameters of the original, and some names and sizes in its checkpoint."""
    import torch

    shapes: dict[str, tuple[int, ...]] = {}
    for name, parameters in SIZES[family.traits.name].items():
        part, config = family.parts[name], diffusers_parts.read_config(family.config, name)
        with torch.device("meta"):
            made = diffusers_parts._module_class(part)
            text = name.startswith("text_encoder")
            module = made(diffusers_parts._text_config(config)) if text else made.from_config(config)
        assert sum(parameter.numel() for parameter in module.parameters()) == parameters
        tensors = renamed(part, module.state_dict(), config)
        shapes |= {tensor_name: tuple(tensor.shape) for tensor_name, tensor in tensors.items()}
        if not text:
            diffusers_parts._converted(part, config, tensors)
    expected = SHAPES[family.traits.name]
    assert {name: shapes.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("family", "name", "padding"),
    [(sd1.FAMILY, "tokenizer", 49407), (sdxl.FAMILY, "tokenizer", 49407), (sdxl.FAMILY, "tokenizer_2", 0)],
    ids=["sd1", "sdxl", "sdxl's second"],
)
def test_standard_tokenizer_is_clips(family: Family, name: str, padding: int):
    tokenizer = diffusers_parts._tokenizer(family.config / name)
    assert len(tokenizer) == 49408
    assert tokenizer.pad_token_id == padding
    assert tokenizer.model_max_length == 77
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer.decode(tokenizer("Astronauts, 2 naïve 犬!").input_ids[1:-1]) == "astronauts , 2 naïve 犬 !"


def test_a_small_checkpoint_does_not_fit_the_standard_sizes(checkpoint: Path):
    with pytest.raises(BaseModelError, match=r"tiny fox has no usable unet: .*size mismatch for .*320") as caught:
        registry.load_base(checkpoint, device="cpu")
    assert caught.value.hint


@pytest.mark.parametrize(
    ("begins", "part"),
    [
        ("model.diffusion_model.out.", "unet"),
        ("first_stage_model.decoder.conv_out", "vae"),
        ("first_stage_model.", "vae"),
        ("cond_stage_model.transformer.text_model.final", "text_encoder"),
    ],
)
def test_missing_weights_are_never_made_up(tiny_sd1: Path, checkpoint: Path, tmp_path: Path, begins: str, part: str):
    names = [name for name in diffusers_parts.tensor_names(checkpoint) if name.startswith(begins)]
    pruned = change_tensors(checkpoint, tmp_path / "pruned.safetensors", dict.fromkeys(names))
    with pytest.raises(BaseModelError, match=f"pruned has no usable {part}: no fitting weights for") as caught:
        outputs(sd1.load(pruned, device="cpu", config=tiny_sd1))
    assert "full checkpoint" in caught.value.hint


def test_wrong_sizes_of_the_text_encoder_are_refused(tiny_sd1: Path, checkpoint: Path, tmp_path: Path):
    import torch

    name = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight"
    other = change_tensors(checkpoint, tmp_path / "other.safetensors", {name: torch.zeros(9, 32)})
    with pytest.raises(BaseModelError, match=r"no fitting weights for .*token_embedding"):
        outputs(sd1.load(other, device="cpu", config=tiny_sd1))


@pytest.mark.parametrize(
    ("family", "prefix"),
    [
        ("SD2", "cond_stage_model.model."),
        ("SDXL refiner", "conditioner.embedders.0.model."),
        ("UNet alone", None),
    ],
)
def test_other_families_are_not_taken_for_known_ones(checkpoint: Path, tmp_path: Path, family: str, prefix: str | None):
    from safetensors.torch import load_file, save_file

    ours = sd1.TEXT_ENCODER
    other = tmp_path / f"{family}.safetensors"
    tensors = {n.replace(ours, prefix or ""): t for n, t in load_file(checkpoint).items() if prefix or ours not in n}
    save_file(tensors, other)
    with pytest.raises(BaseModelError, match="is not a base model of a known family") as caught:
        registry.load_base(other, device="cpu")
    assert "sd1" in caught.value.expected


def test_a_cut_file_is_called_damaged(checkpoint: Path, tmp_path: Path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(BaseModelError, match=r"cut\.safetensors can't be read") as caught:
        registry.load_base(cut, device="cpu")
    assert "download or copy it again" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"just text", json.dumps({"a": 1}).encode()])
def test_other_content_is_called_damaged(tmp_path: Path, content: bytes):
    file = tmp_path / "notes.safetensors"
    file.write_bytes(content)
    with pytest.raises(BaseModelError, match="can't be read"):
        registry.load_base(file, device="cpu")


def test_pickles_are_not_opened(tmp_path: Path):
    file = tmp_path / "model.ckpt"
    file.write_bytes(b"\x80\x04.")
    with pytest.raises(BaseModelError, match="is not a base model of a known family"):
        registry.load_base(file, device="cpu")

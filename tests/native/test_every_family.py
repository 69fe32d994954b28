"""Tiny models of the families that ComfyUI knows, in a real ComfyUI: they train, and files load in stock loaders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from comfyui_process import run_inside
from comfyui_server import Server
from workspace import chosen, in_api_format

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

HERE = Path(__file__).resolve().parent


class Expected(NamedTuple):
    """What is said of a family."""

    family: str
    prediction_type: str
    style: str
    architecture: str
    edits: bool = False
    guided: bool = False
    encoders: int = 0


FAMILIES: Mapping[str, Expected] = {
    "sd15": Expected("sd1", "epsilon", "kohya", "stable-diffusion-v1", encoders=1),
    "sd15_ip2p": Expected("sd1", "epsilon", "kohya", "stable-diffusion-v1", edits=True, encoders=1),
    "sdxl": Expected("sdxl", "epsilon", "kohya", "stable-diffusion-xl-v1-base", encoders=2),
    "noobai": Expected("sdxl", "v_prediction", "kohya", "stable-diffusion-xl-v1-base", encoders=2),
    "sd3": Expected("sd3", "flow", "transformer", "stable-diffusion-3", encoders=2),
    "flux_dev": Expected("flux1", "flow", "transformer", "flux-1-dev", edits=True, guided=True, encoders=1),
    "flux_schnell": Expected("flux1", "flow", "transformer", "flux-1-schnell", edits=True, encoders=1),
    "flux2_dev": Expected("flux2", "flow", "transformer", "Flux.2-dev", edits=True, guided=True),
    "flux2_klein": Expected("flux2", "flow", "transformer", "Flux.2-klein-4b", edits=True),
    "chroma": Expected("chroma", "flow", "transformer", "chroma"),
    "lumina2": Expected("lumina2", "flow", "native", "lumina-2"),
    "z_image": Expected("z-image", "flow", "transformer", "Z-Image"),
    "krea2": Expected("krea2", "flow", "transformer", "Krea-2"),
    "qwen_image": Expected("qwen-image", "flow", "transformer", "Qwen-Image", edits=True),
    "qwen_image_edit_2511": Expected("qwen-image", "flow", "transformer", "Qwen-Image-Edit-2511", edits=True),
    "anima": Expected("anima", "flow", "native", "anima-preview"),
    "ideogram4": Expected("ideogram4", "flow", "native", "Ideogram-4"),
    "wan21": Expected("wan", "flow", "native", "wan2.1"),
    "wan22": Expected("wan", "flow", "native", "wan2.1"),
    "ltx_video": Expected("ltx-video", "flow", "native", "lightricks-ltx-video"),
    "hidream": Expected("hidream", "flow", "transformer", "hidream-i1"),
    "ernie_image": Expected("ernie-image", "flow", "transformer", "ERNIE-Image"),
    "hunyuan_image": Expected("hunyuanimage21", "flow", "native", "hunyuanimage21"),
    "aura_flow": Expected("auraflow", "flow", "transformer", "auraflow"),
    "omnigen2": Expected("omnigen2", "flow", "native", "omnigen2", edits=True),
}
every_family = pytest.mark.parametrize("family", FAMILIES)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("families")


@pytest.fixture(scope="module")
def results(files: Path, request: pytest.FixtureRequest) -> dict[str, Any]:
    """What was found of the families of the tests that run, from one process for all."""
    own = [item for item in request.session.items if item.path == request.path and hasattr(item, "callspec")]
    chosen = {item.callspec.params["family"] for item in own}
    return run_inside(HERE / "inside_every_family.py", "every", files, *sorted(chosen), folder=files, timeout=1200)


@pytest.fixture
def found(family: str, results: dict[str, Any]) -> dict[str, Any]:
    if family not in results:
        pytest.skip("this ComfyUI doesn't have it")
    assert "error" not in results[family], results[family]["error"]
    return results[family]


@every_family
def test_it_is_described(family: str, found: dict[str, Any]) -> None:
    told, expected = found["info"], FAMILIES[family]
    assert (told["family"], told["prediction_type"], told["style"], told["architecture"]) == expected[:4]
    assert told["styles_agree"]
    assert ("guidance_input" in told["capabilities"]) == expected.guided
    assert ("classifier_free_guidance" in told["capabilities"]) != expected.guided
    assert ("reference_pictures" in told["capabilities"]) == expected.edits
    assert ("text_encoder_training" in told["capabilities"]) == bool(expected.encoders)


@every_family
def test_it_learns_a_picture_and_goes_on_to_the_same_bits(family: str, found: dict[str, Any]) -> None:
    trained = found["trained"]
    first, last = trained["losses"]
    assert trained["finite"]
    assert last < 0.998 * first  # over the same noises
    assert (trained["resumed_at"], trained["same_bits"]) == (10, True)
    assert len(trained["encoders"]) == FAMILIES[family].encoders
    assert trained["encoders_learned"]
    assert trained["latent"][2:] == [8, 8]
    assert not trained["changed"]
    assert trained["architecture"] == f"{FAMILIES[family].architecture}/lora"


@every_family
def test_it_is_counted_and_checkpointed(family: str, found: dict[str, Any]) -> None:
    """To the same bits, except where several blocks share an input and overwrite others: see ``overwrites``."""
    trained = found["trained"]
    shared = family in ("flux_dev", "flux_schnell", "ltx_video", "hunyuan_image", "flux2_dev", "flux2_klein")
    assert trained["checkpointing_apart"] <= (1e-5 if shared else 0)
    known = r"a step needs about \d" if family != "hidream" else "memory can't be counted for this model"
    assert re.search(rf"activations of all \d+ blocks are computed again; {known}", trained["memory"])


@every_family
def test_the_stock_loader_takes_every_key_of_its_files(family: str, found: dict[str, Any]) -> None:
    for told in (found["trained"]["patches"], found["carried"]["stock"]):
        assert not told["unmatched"]
        assert told["patches"][0]
        assert bool(told["alphas"]) == (FAMILIES[family].style == "kohya")
    assert bool(found["trained"]["patches"]["patches"][1]) == bool(FAMILIES[family].encoders)
    assert found["carried"]["stock"]["patches"][0] == found["carried"]["layers"]


@every_family
def test_adapters_are_the_same_in_training_and_as_patches(family: str, found: dict[str, Any]) -> None:
    carried = found["carried"]
    assert carried["finite"]
    assert carried["moved"] > 1e-3
    assert carried["stacked_apart"] < 1e-4
    assert carried["stock_apart"] < 1e-4
    assert carried["restored"] == 0


@every_family
def test_its_conditioning_is_right_in_batches(family: str, found: dict[str, Any]) -> None:
    prompted, expected = found["prompted"], FAMILIES[family]
    assert prompted["apart"] < 1e-4
    assert prompted["prompts"] > 1e-4
    assert (prompted["guidance"] > 1e-4) == expected.guided
    assert (prompted["reference"] > 1e-4) == expected.edits


@every_family
def test_it_samples_in_batches_as_alone(family: str, found: dict[str, Any]) -> None:
    sampled = found["sampled"]
    assert sampled["finite"]
    assert sampled["apart"] < 1e-3
    assert sampled["picture"][:2] == [2, 3]


def test_prompts_of_qwen_image_edit_see_pictures_as_in_its_node(tmp_path: Path) -> None:
    found = run_inside(HERE / "inside_every_family.py", "seen", tmp_path, folder=tmp_path)
    assert "prompts_see_pictures" in found["capabilities"]
    assert found["apart"] == [0, 0]
    assert found["pictures"] > 1e-3
    assert found["trained"]


def test_zero_terminal_snr_ends_in_noise_alone(tmp_path: Path) -> None:
    found = run_inside(HERE / "inside_every_family.py", "zero_terminal_snr", tmp_path, folder=tmp_path)
    first, last = found["alpha"]
    assert first > 0.999
    assert 0 < last < 3e-4 < 0.05 < found["plain_alpha"][0]
    assert found["noise_alone"] < 1e-3
    assert found["wants_the_picture"] < 1e-3
    assert all(0 < loss < 100 for loss in found["losses"])
    assert found["predicted"] < 100


def test_what_cannot_be_trained_is_refused_with_words(tmp_path: Path) -> None:
    found = run_inside(HERE / "inside_every_family.py", "refused", tmp_path, folder=tmp_path)
    for name, words in {
        "inpainting": "it takes a picture to fill in or to animate",
        "animating": "it takes another film, a picture, sound or poses besides the prompt",
        "cascade": "it is one stage of a cascade",
        "sound": "it makes no pictures",
        "vae": "its latents have 16 channels, those of the model 4",
        "size": "sides that are multiples of 16",
    }.items():
        assert words in found.get(name, "nothing was refused"), name


IN_DIFFUSERS: Mapping[str, tuple[str, str, dict[str, Any]]] = {
    "sd3": ("SD3", "SD3Transformer2DModel", {
        "num_layers": 2, "attention_head_dim": 64, "num_attention_heads": 2, "caption_projection_dim": 128,
        "pooled_projection_dim": 128, "pos_embed_max_size": 32,
    }),
    "flux_dev": ("Flux", "FluxTransformer2DModel", {
        "num_layers": 2, "num_single_layers": 2, "num_attention_heads": 1, "joint_attention_dim": 64,
        "pooled_projection_dim": 64, "guidance_embeds": True,
    }),
    "flux2_klein": ("Flux2", "Flux2Transformer2DModel", {
        "num_layers": 2, "num_single_layers": 2, "num_attention_heads": 1, "joint_attention_dim": 192,
        "guidance_embeds": False,
    }),
    "chroma": ("Flux", "ChromaTransformer2DModel", {
        "num_layers": 2, "num_single_layers": 2, "num_attention_heads": 1, "joint_attention_dim": 64,
        "approximator_hidden_dim": 64, "approximator_layers": 1,
    }),
    "z_image": ("ZImage", "ZImageTransformer2DModel", {
        "dim": 256, "n_layers": 2, "n_refiner_layers": 1, "n_heads": 2, "n_kv_heads": 2, "cap_feat_dim": 64,
    }),
    "krea2": ("Krea2", "Krea2Transformer2DModel", {
        "num_layers": 2, "num_attention_heads": 1, "num_key_value_heads": 1, "text_hidden_dim": 32,
        "num_text_layers": 3, "text_num_attention_heads": 1, "text_num_key_value_heads": 1,
    }),
    "qwen_image": ("QwenImage", "QwenImageTransformer2DModel", {
        "num_layers": 2, "num_attention_heads": 1, "joint_attention_dim": 64,
    }),
    "anima": ("Anima", "CosmosTransformer3DModel", {
        "in_channels": 16, "num_layers": 2, "num_attention_heads": 1, "attention_head_dim": 128, "adaln_lora_dim": 32,
    }),
    "ideogram4": ("Ideogram4", "Ideogram4Transformer2DModel", {"num_layers": 2}),
    "wan21": ("Wan", "WanTransformer3DModel", {
        "num_layers": 2, "num_attention_heads": 1, "attention_head_dim": 128, "ffn_dim": 128, "text_dim": 64,
    }),
    "ltx_video": ("LTXVideo", "LTXVideoTransformer3DModel", {
        "num_layers": 2, "num_attention_heads": 2, "attention_head_dim": 32, "cross_attention_dim": 64,
        "caption_channels": 64,
    }),
    "hidream": ("HiDreamImage", "HiDreamImageTransformer2DModel", {
        "patch_size": 2, "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 128, "num_attention_heads": 1,
        "caption_channels": [64, 64], "text_emb_dim": 32, "num_routed_experts": 2, "num_activated_experts": 1,
        "axes_dims_rope": (64, 32, 32), "max_resolution": (128, 128), "llama_layers": [0, 1],
    }),
    "ernie_image": ("ErnieImage", "ErnieImageTransformer2DModel", {
        "hidden_size": 128, "num_attention_heads": 1, "num_layers": 2, "ffn_hidden_size": 128, "text_in_dim": 64,
    }),
}  # fmt: skip
"""Family -> beginning of the name of diffusers' LoRA mixin, class of its transformer, and what makes that as small."""


@pytest.mark.parametrize("family", IN_DIFFUSERS)
def test_diffusers_takes_every_key_of_its_files(family: str, found: dict[str, Any], files: Path) -> None:
    """Whether all layers are adapted, or only those of the attention preset."""
    import diffusers
    import torch
    from diffusers.loaders import lora_pipeline
    from safetensors.torch import load_file

    mixin, transformer, sizes = IN_DIFFUSERS[family]
    with torch.device("meta"):
        modules = {f"transformer.{name}" for name, _ in getattr(diffusers, transformer)(**sizes).named_modules()}
    tensors = load_file(files / f"{family}.safetensors")
    attention = {key: tensor for key, tensor in tensors.items() if key.partition(".lora_")[0] in found["attention"]}
    assert attention
    for written in (tensors, attention):
        read = getattr(lora_pipeline, f"{mixin}LoraLoaderMixin").lora_state_dict(dict(written))
        meant = {key.partition(".lora_")[0] for key in (read[0] if isinstance(read, tuple) else read)}
        # A part of Anima's pipeline of its own.
        elsewhere = {key for key in meant if key.startswith("text_conditioner.")}
        assert not sorted(meant - modules - elsewhere)[:5]
        assert len(meant) >= len(written) / 2


def test_families_that_comfyui_recognizes_train_from_a_file(tmp_path: Path) -> None:
    found = run_inside(HERE / "inside_every_family.py", "detected", tmp_path, folder=tmp_path)
    assert {"flux_dev", "flux_schnell"} <= found.keys()
    for name, told in found.items():
        assert told["config"] == told["expected"], name
        assert told["name"] == f"{name}_model"
        assert not told["stock"]["unmatched"]
        assert told["stock"]["patches"][0]


def test_sd3_trains_in_a_graph_of_stock_loaders(server: Server) -> None:
    run_inside(HERE / "inside_every_family.py", "sd3_parts", server.folder / "models", folder=server.folder)
    file = "small_sd3.safetensors"
    graph = in_api_format({
        "model": ("UNETLoader", {"unet_name": file, "weight_dtype": "default"}),
        "clip": ("CLIPLoader", {"clip_name": file, "type": "sd3"}),
        "vae": ("VAELoader", {"vae_name": file}),
        "base": ("LW_BaseFromComfy", {
            "model": ["model", 0], "clip": ["clip", 0], "vae": ["vae", 0], "precision": "fp32",
        }),
        "data": ("LW_LoadDataset", {"path": "assets/datasets/fox", "on_unreadable": "skip"}),
        "recipe": ("LW_Recipe", {
            "dataset": ["data", 0], "base": ["base", 0],
            **chosen(steps=3, rank=2, alpha=2.0, resolution=64, blocks="joint_blocks 0-1", layers="attn.(qkv|proj)$"),
        }),
        "train": ("LW_TrainLoRA", {
            "dataset": ["data", 0], "base": ["base", 0], "recipe": ["recipe", 0], "seed": 1, "name": "sd3 fox",
        }),
        "save": ("LW_SaveAdapter", {"adapter": ["train", 0], "filename": "sd3 fox", "dtype": "float32"}),
    })  # fmt: skip
    ended = server.run(graph)
    assert ended.status == "success"
    report = ended.report("train")
    assert not report["cached"]
    loras = [path.name for path in server.folder.rglob("sd3*fox*.safetensors") if "loras" in path.parts]
    loader = in_api_format({
        "loader": ("LoraLoader", {
            "model": ["model", 0], "clip": ["clip", 0], "lora_name": loras[0], "strength_model": 1.0,
            "strength_clip": 1.0,
        }),
        "positive": ("CLIPTextEncode", {"clip": ["loader", 1], "text": "a zwx animal"}),
        "empty": ("EmptySD3LatentImage", {"width": 64, "height": 64, "batch_size": 1}),
        "latent": ("KSampler", {
            "model": ["loader", 0], "positive": ["positive", 0], "negative": ["positive", 0],
            "latent_image": ["empty", 0], "seed": 1, "steps": 2, "cfg": 1.0, "sampler_name": "euler",
            "scheduler": "simple", "denoise": 1.0,
        }),
        "picture": ("VAEDecode", {"samples": ["latent", 0], "vae": ["vae", 0]}),
        "file": ("SaveImage", {"images": ["picture", 0], "filename_prefix": "sd3"}),
    })  # fmt: skip
    drawn = server.run({name: graph[name] for name in ("model", "clip", "vae")} | loader)
    assert drawn.pixels("file").shape == (1, 64, 64, 3)
    assert "lora key not loaded" not in server.log.read_text()

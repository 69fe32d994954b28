"""Tiny real base models with random weights, made on the spot."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

TOKENIZER = Path(__file__).parents[1] / "assets" / "demo_base" / "tokenizer"


def save_tiny_sd1(
    folder: Path,
    *,
    prediction_type: str = "epsilon",
    seed: int = 0,
    scheduler: str = "DDIMScheduler",
    zero_snr: bool = False,
) -> Path:
    """A Stable Diffusion 1.x pipeline of some 0.3 M parameters for 32 px pictures, as a diffusers folder."""
    import diffusers
    import torch
    from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(32, 64),
        cross_attention_dim=32, attention_head_dim=2, norm_num_groups=32,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 32), down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3, latent_channels=4, sample_size=32, norm_num_groups=32,
    )  # fmt: skip
    text_encoder = CLIPTextModel(CLIPTextConfig(
        vocab_size=2048, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=32, bos_token_id=2046, eos_token_id=2047, pad_token_id=2047,
    ))  # fmt: skip
    settings = {"timestep_spacing": "leading", "steps_offset": 1}
    if zero_snr:
        settings = {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True}
    if scheduler == "DDIMScheduler":
        settings["clip_sample"] = False
    if scheduler == "PNDMScheduler":
        settings["skip_prk_steps"] = True
    steps = getattr(diffusers, scheduler)(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction_type, **settings
    )
    StableDiffusionPipeline(
        vae=vae, text_encoder=text_encoder, tokenizer=CLIPTokenizer.from_pretrained(TOKENIZER), unet=unet,
        scheduler=steps, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_tiny_sdxl(folder: Path, *, prediction_type: str = "epsilon", seed: int = 0) -> Path:
    """A Stable Diffusion XL pipeline of some 0.4 M parameters for 32 px pictures, as a diffusers folder."""
    import torch
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, layers_per_block=1, block_out_channels=(32, 64),
        cross_attention_dim=64, attention_head_dim=(2, 4), norm_num_groups=32, use_linear_projection=True,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 2), addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + 24,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=(32, 32, 32), down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3, latent_channels=4, sample_size=32, norm_num_groups=32,
        scaling_factor=0.13025,
    )  # fmt: skip
    text: dict[str, Any] = {
        "vocab_size": 2048, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "max_position_embeddings": 32, "bos_token_id": 2046, "eos_token_id": 2047,
        "pad_token_id": 2047,
    }  # fmt: skip
    tokenizer = CLIPTokenizer.from_pretrained(TOKENIZER)
    StableDiffusionXLPipeline(
        vae=vae, unet=unet, tokenizer=tokenizer, tokenizer_2=CLIPTokenizer.from_pretrained(TOKENIZER, pad_token="!"),
        text_encoder=CLIPTextModel(CLIPTextConfig(**text)),
        text_encoder_2=CLIPTextModelWithProjection(CLIPTextConfig(**text, hidden_act="gelu", projection_dim=24)),
        scheduler=EulerDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type=prediction_type,
            steps_offset=1,
        ),
    ).save_pretrained(folder)  # fmt: skip
    return folder


def save_tiny_flux1(folder: Path, *, seed: int = 0, guidance: bool = True) -> Path:
    """A FLUX.1 pipeline with one double and one single block for 32 px pictures, as a diffusers folder."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from tiny_text import clip_encoder, t5_encoder, t5_tokenizer
    from transformers import CLIPTokenizer

    torch.manual_seed(seed)
    transformer = FluxTransformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=32, pooled_projection_dim=32, guidance_embeds=guidance, axes_dims_rope=(4, 4, 8),
    )  # fmt: skip
    FluxPipeline(
        transformer=transformer, vae=flux_autoencoder(), text_encoder=clip_encoder(), text_encoder_2=t5_encoder(),
        tokenizer=CLIPTokenizer.from_pretrained(TOKENIZER), tokenizer_2=t5_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=guidance),
    ).save_pretrained(folder)  # fmt: skip
    return for_small_pictures(folder)


def save_tiny_kontext(folder: Path, *, seed: int = 0) -> Path:
    """A tiny FLUX.1 as a pipeline of Kontext, whose parts are the same."""
    index = save_tiny_flux1(folder, seed=seed) / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | {"_class_name": "FluxKontextPipeline"}))
    return folder


def save_tiny_z_image(folder: Path, *, seed: int = 0, shift: float = 6.0) -> Path:
    """A Z-Image pipeline with one layer and one refiner of each kind for 32 px pictures, as a diffusers folder."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
    from tiny_text import qwen3_encoder, qwen_tokenizer

    torch.manual_seed(seed)
    transformer = ZImageTransformer2DModel(
        in_channels=4, dim=32, n_layers=1, n_refiner_layers=1, n_heads=2, n_kv_heads=2, cap_feat_dim=16,
        axes_dims=[8, 4, 4], axes_lens=[8192, 32, 32],
    )  # fmt: skip
    for token in (transformer.x_pad_token, transformer.cap_pad_token):
        torch.nn.init.normal_(token)
    ZImagePipeline(
        transformer=transformer, vae=flux_autoencoder(), text_encoder=qwen3_encoder(), tokenizer=qwen_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=shift),
    ).save_pretrained(folder)  # fmt: skip
    return for_small_pictures(folder)


def save_tiny_flux2(folder: Path, *, seed: int = 0, is_distilled: bool = False) -> Path:
    """A FLUX.2 klein pipeline with one double and one single block for 32 px pictures, as a diffusers folder."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, Flux2KleinPipeline, Flux2Transformer2DModel
    from tiny_text import qwen3_for_text, qwen_tokenizer

    torch.manual_seed(seed)
    transformer = Flux2Transformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=24, axes_dims_rope=[4, 4, 4, 4], guidance_embeds=False,
    )  # fmt: skip
    Flux2KleinPipeline(
        transformer=transformer, vae=flux2_autoencoder(), tokenizer=qwen_tokenizer(), is_distilled=is_distilled,
        text_encoder=qwen3_for_text(width=8, layers=28),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True),
    ).save_pretrained(folder)  # fmt: skip
    return for_small_pictures(folder)


def save_tiny_flux3(folder: Path, *, seed: int = 0, distilled: bool = False) -> Path:
    """A FLUX.3 with a block of each kind for 32 px pictures, as the folder of a modular pipeline."""
    import torch
    from diffusers import Flux3Transformer2DModel
    from tiny_text import qwen3_vl_for_text, save_qwen_vl_processor

    torch.manual_seed(seed)
    parts = {
        "transformer": Flux3Transformer2DModel(
            in_channels=16, cond_in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
            num_attention_heads=2, joint_attention_dim=64, axes_dims_rope=(4, 4, 4, 4), flow_map=distilled,
        ),
        "vae": flux2_autoencoder(),
        "text_encoder": qwen3_vl_for_text(width=8, layers=32),
    }  # fmt: skip
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    save_qwen_vl_processor(folder / "tokenizer")
    hints = {name: _class_of(part) for name, part in parts.items()} | {"tokenizer": ["transformers", "AutoProcessor"]}
    return _modular(folder, "Flux3Distilled" if distilled else "Flux3", hints)


def save_tiny_anima(folder: Path, *, seed: int = 0) -> Path:
    """An Anima with two blocks for 32 px pictures, as the folder of a modular pipeline."""
    import torch
    from diffusers import AnimaTextConditioner, CosmosTransformer3DModel, FlowMatchEulerDiscreteScheduler
    from tiny_text import qwen3_encoder, qwen_tokenizer, t5_tokenizer

    torch.manual_seed(seed)
    parts = {
        "transformer": CosmosTransformer3DModel(
            in_channels=4, out_channels=4, num_attention_heads=2, attention_head_dim=16, num_layers=2, mlp_ratio=2.0,
            text_embed_dim=16, adaln_lora_dim=8, rope_scale=(1.0, 4.0, 4.0), extra_pos_embed_type=None,
        ),
        "text_conditioner": AnimaTextConditioner(
            source_dim=16, target_dim=16, model_dim=16, num_layers=2, num_attention_heads=2, mlp_ratio=2.0,
            target_vocab_size=256,
        ),
        "vae": qwen_autoencoder(),
        "text_encoder": qwen3_encoder(),
        "tokenizer": qwen_tokenizer(),
        "t5_tokenizer": t5_tokenizer(),
        "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
    }  # fmt: skip
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    return _modular(folder, "Anima", {name: _class_of(part) for name, part in parts.items()})


def _class_of(part: Any) -> list[str]:
    """Library and class, as an index names them."""
    return [type(part).__module__.partition(".")[0], type(part).__name__]


def _modular(folder: Path, kind: str, hints: Mapping[str, list[str]]) -> Path:
    """The folder with the index of a modular pipeline, whose parts have these classes."""
    index = {name: [None, None, {"subfolder": name, "type_hint": hint}] for name, hint in hints.items()}
    named = {"_class_name": f"{kind}ModularPipeline", "_blocks_class_name": f"{kind}AutoBlocks", **index}
    (folder / "modular_model_index.json").write_text(json.dumps(named))
    return for_small_pictures(folder)


def save_tiny_qwen_image(folder: Path, *, seed: int = 0) -> Path:
    """A Qwen-Image pipeline with two blocks for 32 px pictures, as a diffusers folder."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, QwenImagePipeline, QwenImageTransformer2DModel
    from tiny_text import qwen25_vl, qwen_tokenizer

    torch.manual_seed(seed)
    transformer = QwenImageTransformer2DModel(
        patch_size=2, in_channels=16, out_channels=4, num_layers=2, attention_head_dim=16, num_attention_heads=2,
        joint_attention_dim=16, axes_dims_rope=(8, 4, 4),
    )  # fmt: skip
    QwenImagePipeline(
        transformer=transformer, vae=qwen_autoencoder(), text_encoder=qwen25_vl(), tokenizer=qwen_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, max_shift=0.9, max_image_seq_len=8192),
    ).save_pretrained(folder)  # fmt: skip
    return for_small_pictures(folder)


def save_tiny_qwen_image_edit(folder: Path, *, seed: int = 0, plus: bool = False, zero_cond_t: bool = False) -> Path:
    """A Qwen-Image-Edit pipeline with two blocks for 32 px pictures, as a diffusers folder.

    Args:
        folder: where it is saved.
        seed: of its weights.
        plus: whether it is of the pipeline of 2509 and 2511.
        zero_cond_t: whether pictures to edit count as free of noise, as in 2511.
    """
    from tiny_text import save_qwen_vl_processor

    save_tiny_qwen_image(folder, seed=seed)
    save_qwen_vl_processor(folder / "processor", patch_size=14)
    named = {
        "_class_name": "QwenImageEditPlusPipeline" if plus else "QwenImageEditPipeline",
        "processor": ["transformers", "Qwen2_5_VLProcessor"],
    }
    for file, more in {"model_index.json": named, "transformer/config.json": {"zero_cond_t": zero_cond_t}}.items():
        (folder / file).write_text(json.dumps(json.loads((folder / file).read_text()) | more))
    return folder


def save_tiny_krea2(folder: Path, *, seed: int = 0, is_distilled: bool = False) -> Path:
    """A Krea 2 pipeline with two blocks for 32 px pictures, as a diffusers folder."""
    import torch
    from diffusers import FlowMatchEulerDiscreteScheduler, Krea2Pipeline, Krea2Transformer2DModel
    from tiny_text import qwen3_vl_encoder, qwen_tokenizer

    torch.manual_seed(seed)
    transformer = Krea2Transformer2DModel(
        in_channels=16, num_layers=2, attention_head_dim=8, num_attention_heads=4, num_key_value_heads=2,
        intermediate_size=32, timestep_embed_dim=8, text_hidden_dim=16, num_text_layers=3, text_num_attention_heads=2,
        text_num_key_value_heads=1, text_intermediate_size=16, num_layerwise_text_blocks=1, num_refiner_text_blocks=1,
        axes_dims_rope=(4, 2, 2),
    )  # fmt: skip
    Krea2Pipeline(
        transformer=transformer, vae=qwen_autoencoder(), text_encoder=qwen3_vl_encoder(), tokenizer=qwen_tokenizer(),
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, max_image_seq_len=6400),
        text_encoder_select_layers=(1, 2, 3), is_distilled=is_distilled,
    ).save_pretrained(folder)  # fmt: skip
    return for_small_pictures(folder)


def save_tiny_qwen_image21(folder: Path, *, seed: int = 0, sample_sigmas: list[float] | None = None) -> Path:
    """A Qwen-Image 2.1 pipeline with two blocks for 32 px pictures, as a diffusers folder."""
    import torch
    from diffusers import AutoencoderKLQwenImage21, FlowMatchEulerDiscreteScheduler, QwenImage21Transformer2DModel
    from tiny_text import qwen3_vl_for_text, save_qwen_vl_processor

    torch.manual_seed(seed)
    parts = {
        "transformer": QwenImage21Transformer2DModel(
            in_channels=4, out_channels=4, num_layers=2, attention_head_dim=16, num_attention_heads=2,
            context_in_dim=16, axes_dims_rope=(4, 6, 6),
        ),
        "vae": AutoencoderKLQwenImage21(
            base_dim=8, decoder_base_dim=8, z_dim=4, dim_mult=[1, 1, 1, 2, 2], num_res_blocks=1,
            latents_mean=[0.1, -0.2, 0.3, 0.0], latents_std=[0.5, 0.8, 1.1, 1.4],
        ),
        "text_encoder": qwen3_vl_for_text(),
        "scheduler": FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True, max_shift=0.9, max_image_seq_len=8192),
    }  # fmt: skip
    for name, part in parts.items():
        part.save_pretrained(folder / name)
    save_qwen_vl_processor(folder / "processor")
    libraries = {"text_encoder": "transformers", "processor": "transformers"}
    classes = {name: type(part).__name__ for name, part in parts.items()} | {"processor": "Qwen3VLProcessor"}
    index = {name: [libraries.get(name, "diffusers"), own] for name, own in classes.items()}
    named = {"_class_name": "QwenImage21Pipeline", "sample_sigmas": sample_sigmas, **index}
    (folder / "model_index.json").write_text(json.dumps(named))
    return for_small_pictures(folder)


def qwen_autoencoder() -> Any:
    """An autoencoder of Qwen-Image's kind, to a quarter of the size and four channels."""
    from diffusers import AutoencoderKLQwenImage

    return AutoencoderKLQwenImage(
        base_dim=16, z_dim=4, dim_mult=[1, 2, 2], num_res_blocks=1, temperal_downsample=[False, True],
        latents_mean=[0.1, -0.2, 0.3, 0.0], latents_std=[0.5, 0.8, 1.1, 1.4],
    )  # fmt: skip


def flux_autoencoder() -> Any:
    """An autoencoder of FLUX.1's kind, to half the size and four channels."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(32, 32), down_block_types=("DownEncoderBlock2D",) * 2, use_quant_conv=False,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, sample_size=32, norm_num_groups=32,
        scaling_factor=0.36, shift_factor=0.11, use_post_quant_conv=False,
    )  # fmt: skip


def flux2_autoencoder() -> Any:
    """An autoencoder of FLUX.2's kind, to half the size and four channels, which are packed to sixteen."""
    from diffusers import AutoencoderKLFlux2

    vae = AutoencoderKLFlux2(
        block_out_channels=(32, 32), down_block_types=("DownEncoderBlock2D",) * 2, latent_channels=4, sample_size=32,
        up_block_types=("UpDecoderBlock2D",) * 2, norm_num_groups=32,
    )  # fmt: skip
    vae.bn.running_mean.normal_(std=0.1)
    vae.bn.running_var.uniform_(0.5, 2)
    return vae


def for_small_pictures(folder: Path) -> Path:
    """Declare in the folder that the model is for pictures of 32 px, which transformers' configurations don't say."""
    (folder / "lora_workbench.json").write_text('{"resolution": 32}')
    return folder


def save_tiny_ip2p(folder: Path, *, seed: int = 0) -> Path:
    """An InstructPix2Pix pipeline: a tiny SD1.x whose UNet has as many random channels more for the picture to edit."""
    from editing import save_edit_base

    return save_edit_base(save_tiny_sd1(folder, seed=seed), folder, noise=0.1)


TINY: dict[str, Callable[..., Path]] = {
    "sd1": save_tiny_sd1,
    "sdxl": save_tiny_sdxl,
    "ip2p": save_tiny_ip2p,
    "flux1": save_tiny_flux1,
    "flux1-kontext": save_tiny_kontext,
    "flux2": save_tiny_flux2,
    "flux3": save_tiny_flux3,
    "flux3-distilled": partial(save_tiny_flux3, distilled=True),
    "z-image": save_tiny_z_image,
    "qwen-image": save_tiny_qwen_image,
    "qwen-image-edit": save_tiny_qwen_image_edit,
    "qwen-image-edit-plus": partial(save_tiny_qwen_image_edit, plus=True),
    "krea2": save_tiny_krea2,
    "qwen-image-2.1": save_tiny_qwen_image21,
    "anima": save_tiny_anima,
}
"""Family -> what saves a tiny base model of it into a folder, with random weights by ``seed``.

The contract tests run on every registered family.
"""

VARIANTS = frozenset({"ip2p", "flux1-kontext", "flux3-distilled", "qwen-image-edit", "qwen-image-edit-plus"})
"""Families whose denoiser consists of the same blocks as another family's."""


class Parts(dict[str, Any]):
    """Modules by component, as a base model that adapters can be put on."""

    def load_component(self, name: str) -> Any:
        return self[name]

    def module_shapes(self) -> dict[str, tuple[int, ...]]:
        from lora_workbench.engine.adapters.binding import changeable, shapes

        return shapes(changeable(self))

    def file_parts(self, key: str) -> list[tuple[str, slice]]:
        return [(key, slice(None))]

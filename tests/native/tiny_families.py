"""Tiny models of the families that ComfyUI knows, by its own classes; imported inside ComfyUI's own Python.

They are built from a configuration, as ComfyUI builds what it has recognized in a file. Recognizing itself takes files
with the real widths: see ``checkpoints.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from checkpoints import randomized, unet
from tiny_parts import WIDTH, autoencoder, masked, qwen_image_text, text_encoder, wan_autoencoder, words

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Tiny:
    """How a tiny model is made."""

    config: str
    """Class in ``comfy.supported_models``."""
    denoiser: Mapping[str, Any]
    """What the denoiser's class takes."""
    text: Callable[[], Any]
    vae: Callable[[], Any]
    marks: tuple[str, ...] = ()
    """Names of tensors in a checkpoint that say what it predicts."""


def model(tiny: Tiny) -> Any:
    """The MODEL, with random weights."""
    import comfy.model_patcher
    import comfy.supported_models
    import torch

    config = getattr(comfy.supported_models, tiny.config)(dict(tiny.denoiser))
    config.unet_config |= tiny.denoiser
    config.set_inference_dtype(torch.float32, None)
    made = config.get_model({mark: torch.zeros(0) for mark in tiny.marks}, "")
    made.diffusion_model.load_state_dict(randomized(made.diffusion_model), strict=False)
    device = torch.device("cpu")
    return comfy.model_patcher.ModelPatcher(made, load_device=device, offload_device=device)


def loaded(name: str) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE of a family."""
    import torch

    tiny = FAMILIES[name]
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return model(tiny), tiny.text(), tiny.vae()


def known() -> list[str]:
    """The families that this ComfyUI has."""
    import comfy.supported_models

    return [name for name, tiny in FAMILIES.items() if hasattr(comfy.supported_models, tiny.config)]


def _clip(module: str, tokenizer: str, encoder: str, **call: Any) -> Callable[[], Any]:
    """A text encoder by names of ComfyUI's classes; ``call`` are the arguments of a function that makes the class."""

    def made() -> Any:
        from importlib import import_module

        found = import_module(f"comfy.{module}")
        cls = getattr(found, encoder)
        return text_encoder(getattr(found, tokenizer), cls(**call) if encoder.islower() else cls)

    return made


def _anima(ids: Tensor, states: Tensor) -> Mapping[str, Any]:
    return {"t5xxl_ids": ids.int(), "t5xxl_weights": states.new_ones(len(ids)), **masked(ids, states)}


def _hidream(ids: Tensor, states: Tensor) -> Mapping[str, Any]:
    del ids
    return {"conditioning_llama3": states[:, None].repeat(1, 2, 1, 1)}


def flux(**others: Any) -> dict[str, Any]:
    """A transformer of FLUX.1's layout with one head."""
    return {
        "image_model": "flux", "in_channels": 16, "out_channels": 16, "patch_size": 2, "hidden_size": 128,
        "vec_in_dim": WIDTH, "context_in_dim": WIDTH, "num_heads": 1, "mlp_ratio": 2.0, "depth": 2,
        "depth_single_blocks": 2, "axes_dim": [16, 56, 56], "theta": 10000, "qkv_bias": True, "guidance_embed": True,
        "txt_ids_dims": [], **others,
    }  # fmt: skip


def flux2(**others: Any) -> dict[str, Any]:
    return flux(
        image_model="flux2", in_channels=128, out_channels=128, patch_size=1, vec_in_dim=None, mlp_ratio=3.0,
        context_in_dim=3 * WIDTH, axes_dim=[32] * 4, theta=2000, qkv_bias=False, ops_bias=False,
        global_modulation=True, mlp_silu_act=True, default_ref_method="index", ref_index_scale=10.0,
        txt_ids_dims=[3], **others,
    )  # fmt: skip


def lumina(**others: Any) -> dict[str, Any]:
    return {
        "image_model": "lumina2", "patch_size": 2, "in_channels": 16, "dim": 256, "n_layers": 2, "n_refiner_layers": 1,
        "n_heads": 2, "n_kv_heads": 1, "axes_dims": [32, 48, 48], "axes_lens": [300, 512, 512], "qk_norm": True,
        "rope_theta": 10000.0, "ffn_dim_multiplier": 1.0, "cap_feat_dim": WIDTH, **others,
    }  # fmt: skip


def wan(channels: int) -> dict[str, Any]:
    return {
        "image_model": "wan2.1", "model_type": "t2v", "in_dim": channels, "out_dim": channels, "dim": 128,
        "num_heads": 1, "ffn_dim": 128, "num_layers": 2, "text_dim": WIDTH, "freq_dim": 256,
    }  # fmt: skip


XL = unet(
    WIDTH, depths=[0, 1, 1], context_dim=2 * WIDTH, adm_in_channels=WIDTH + 6 * 256, num_classes="sequential",
    use_linear_in_transformer=True,
)  # fmt: skip
SD_CLIP = _clip("sd1_clip", "SD1Tokenizer", "SD1ClipModel")
XL_CLIP = _clip("sdxl_clip", "SDXLTokenizer", "SDXLClipModel")
FLUX_CLIP = _clip("text_encoders.flux", "FluxTokenizer", "flux_clip")
SD_VAE, FLUX_VAE, FLUX2_VAE = (lambda: autoencoder(4)), (lambda: autoencoder(16)), (lambda: autoencoder(128, 16))

FAMILIES: dict[str, Tiny] = {
    "sd15": Tiny(config="SD15", denoiser=unet(WIDTH, context_dim=WIDTH), text=SD_CLIP, vae=SD_VAE),
    "sd15_ip2p": Tiny(
        config="SD15_instructpix2pix", denoiser=unet(WIDTH, context_dim=WIDTH, in_channels=8), text=SD_CLIP, vae=SD_VAE
    ),
    "sdxl": Tiny(config="SDXL", denoiser=XL, text=XL_CLIP, vae=SD_VAE),
    "noobai": Tiny(config="SDXL", denoiser=XL, text=XL_CLIP, vae=SD_VAE, marks=("v_pred", "ztsnr")),
    "sd3": Tiny(
        config="SD3",
        denoiser={
            "in_channels": 16, "out_channels": 16, "patch_size": 2, "depth": 2, "input_size": None,
            "adm_in_channels": 2 * WIDTH, "num_patches": 1024, "pos_embed_max_size": 32,
            "pos_embed_scaling_factor": None, "x_block_self_attn_layers": [],
            "context_embedder_config": {
                "target": "torch.nn.Linear", "params": {"in_features": 4096, "out_features": 128},
            },
        },
        text=_clip("text_encoders.sd3_clip", "SD3Tokenizer", "sd3_clip", clip_l=True, clip_g=True, t5=False),
        vae=FLUX_VAE,
    ),
    "flux_dev": Tiny(config="Flux", denoiser=flux(), text=FLUX_CLIP, vae=FLUX_VAE),
    "flux_schnell": Tiny(config="FluxSchnell", denoiser=flux(guidance_embed=False), text=FLUX_CLIP, vae=FLUX_VAE),
    "flux2_dev": Tiny(
        config="Flux2", denoiser=flux2(), text=lambda: words(3 * WIDTH, extras=masked), vae=FLUX2_VAE
    ),
    "flux2_klein": Tiny(
        config="Flux2",
        denoiser=flux2(guidance_embed=False),
        text=_clip("text_encoders.flux", "KleinTokenizer", "klein_te"),
        vae=FLUX2_VAE,
    ),
    "chroma": Tiny(
        config="Chroma",
        denoiser={
            **{name: value for name, value in flux().items() if name != "guidance_embed"}, "image_model": "chroma",
            "in_channels": 64, "out_channels": 64, "in_dim": 64, "out_dim": 128, "hidden_dim": 64, "n_layers": 1,
            "vec_in_dim": None,
        },
        text=_clip("text_encoders.pixart_t5", "PixArtTokenizer", "pixart_te"),
        vae=FLUX_VAE,
    ),
    "lumina2": Tiny(config="Lumina2", denoiser=lumina(), text=lambda: words(extras=masked), vae=FLUX_VAE),
    "z_image": Tiny(
        config="ZImage",
        denoiser=lumina(
            n_kv_heads=2, z_image_modulation=True, time_scale=1000.0, pad_tokens_multiple=32, rope_theta=256.0
        ),
        text=_clip("text_encoders.z_image", "ZImageTokenizer", "te"),
        vae=FLUX_VAE,
    ),
    "krea2": Tiny(
        config="Krea2",
        denoiser={
            "image_model": "krea2", "features": 128, "heads": 1, "kvheads": 1, "tdim": 32, "txtdim": 32,
            "txtlayers": 3, "txtheads": 1, "txtkvheads": 1, "multiplier": 1, "layers": 2, "channels": 16, "patch": 2,
        },
        text=lambda: words(3 * 32),
        vae=wan_autoencoder,
    ),
    "qwen_image": Tiny(
        config="QwenImage",
        denoiser={
            "image_model": "qwen_image", "in_channels": 64, "out_channels": 16, "num_layers": 2,
            "num_attention_heads": 1, "joint_attention_dim": WIDTH,
        },
        text=words,
        vae=wan_autoencoder,
    ),
    "qwen_image_edit_2511": Tiny(
        config="QwenImage",
        denoiser={
            "image_model": "qwen_image", "in_channels": 64, "out_channels": 16, "num_layers": 2,
            "num_attention_heads": 1, "joint_attention_dim": WIDTH, "default_ref_method": "index_timestep_zero",
        },
        text=qwen_image_text,
        vae=wan_autoencoder,
    ),
    "anima": Tiny(
        config="Anima",
        denoiser={
            "image_model": "anima", "max_img_h": 240, "max_img_w": 240, "max_frames": 128, "in_channels": 16,
            "out_channels": 16, "patch_spatial": 2, "patch_temporal": 1, "model_channels": 128, "num_blocks": 2,
            "num_heads": 1, "mlp_ratio": 1.0, "crossattn_emb_channels": 1024, "pos_emb_cls": "rope3d",
            "pos_emb_learnable": True, "use_adaln_lora": True, "adaln_lora_dim": 32,
            "rope_enable_fps_modulation": False,
        },
        text=lambda: words(1024, extras=_anima),
        vae=wan_autoencoder,
    ),
    "ideogram4": Tiny(
        config="Ideogram4",
        denoiser={
            "image_model": "ideogram4", "in_channels": 128, "num_layers": 2, "num_attention_heads": 1,
            "attention_head_dim": 128, "intermediate_size": 128, "adaln_dim": 32, "llm_features_dim": WIDTH,
        },
        text=lambda: words(extras=masked),
        vae=FLUX2_VAE,
    ),
    "wan21": Tiny(config="WAN21_T2V", denoiser=wan(16), text=words, vae=wan_autoencoder),
    "wan22": Tiny(config="WAN22_T2V", denoiser=wan(48), text=words, vae=lambda: autoencoder(48, 16, films=True)),
    "ltx_video": Tiny(
        config="LTXV",
        denoiser={
            "image_model": "ltxv", "in_channels": 128, "cross_attention_dim": WIDTH, "attention_head_dim": 32,
            "num_attention_heads": 2, "caption_channels": WIDTH, "num_layers": 2,
        },
        text=lambda: words(extras=masked),
        vae=lambda: autoencoder(128, 32, films=True),
    ),
    "hidream": Tiny(
        config="HiDream",
        denoiser={
            "image_model": "hidream", "patch_size": 2, "in_channels": 16, "out_channels": 16, "num_layers": 1,
            "num_single_layers": 1, "attention_head_dim": 128, "num_attention_heads": 1,
            "caption_channels": [WIDTH, WIDTH], "text_emb_dim": 32, "num_routed_experts": 2,
            "num_activated_experts": 1, "axes_dims_rope": [64, 32, 32], "max_resolution": [128, 128],
            "llama_layers": [0, 1],
        },
        text=lambda: words(pooled=32, extras=_hidream),
        vae=FLUX_VAE,
    ),
    "ernie_image": Tiny(
        config="ErnieImage",
        denoiser={
            "image_model": "ernie", "hidden_size": 128, "num_attention_heads": 1, "num_layers": 2,
            "ffn_hidden_size": 128, "text_in_dim": WIDTH,
        },
        text=words,
        vae=FLUX2_VAE,
    ),
    "hunyuan_image": Tiny(
        config="HunyuanImage21",
        denoiser={
            "image_model": "hunyuan_video", "in_channels": 64, "out_channels": 64, "patch_size": [1, 1],
            "vec_in_dim": None, "axes_dim": [64, 64], "meanflow": False, "context_in_dim": WIDTH, "hidden_size": 128,
            "mlp_ratio": 2.0, "num_heads": 1, "depth": 1, "depth_single_blocks": 1, "theta": 256, "qkv_bias": True,
            "byt5": False, "guidance_embed": False, "use_cond_type_embedding": False, "vision_in_dim": None,
            "meanflow_sum": False,
        },
        text=lambda: words(extras=masked),
        vae=lambda: autoencoder(64, 32),
    ),
    "aura_flow": Tiny(
        config="AuraFlow",
        denoiser={
            "dim": 256, "n_layers": 2, "n_double_layers": 1, "n_heads": 1, "cond_seq_dim": WIDTH, "max_seq": 1024,
        },
        text=words,
        vae=SD_VAE,
    ),
    "omnigen2": Tiny(
        config="Omnigen2",
        denoiser={
            "image_model": "omnigen2", "hidden_size": 120, "num_layers": 2, "num_refiner_layers": 1,
            "num_attention_heads": 1, "num_kv_heads": 1, "multiple_of": 32, "axes_dim_rope": [40, 40, 40],
            "axes_lens": [1024, 1664, 1664], "text_feat_dim": WIDTH, "timestep_scale": 1000.0,
        },
        text=lambda: words(extras=masked),
        vae=FLUX_VAE,
    ),
}  # fmt: skip


def detectable() -> Mapping[str, tuple[Tiny, Callable[[], Any]]]:
    """Family -> a model small enough whose class ComfyUI recognizes in a file, and its text encoder.

    What ComfyUI doesn't read from a file has the real values.
    """
    from dataclasses import replace

    def at_real(name: str, **real: Any) -> Tiny:
        return replace(FAMILIES[name], denoiser={**FAMILIES[name].denoiser, **real})

    krea2 = {name: v for name, v in FAMILIES["krea2"].denoiser.items() if name in (
        "image_model", "features", "heads", "kvheads", "txtlayers", "layers", "channels", "patch"
    )}  # fmt: skip
    return {
        "flux_dev": (at_real("flux_dev", mlp_ratio=4.0), FLUX_CLIP),
        "flux_schnell": (at_real("flux_schnell", mlp_ratio=4.0), FLUX_CLIP),
        "flux2_klein": (FAMILIES["flux2_klein"], FAMILIES["flux2_klein"].text),
        "krea2": (replace(FAMILIES["krea2"], denoiser={**krea2, "txtdim": 80}), lambda: words(3 * 80)),
        "wan21": (at_real("wan21", text_dim=4096), lambda: words(4096)),
    }

"""Small checkpoints with random weights that ComfyUI recognizes by itself; imported inside ComfyUI's own Python.

Each file has the tensor names of real ones, from ComfyUI's own writer. Widths that ComfyUI recognizes a family by, or
that its text encoders fix, are the real ones; everything else is as small as it may be. Text encoders have fewer layers
than ComfyUI builds by itself, so a file is loaded with the sizes of its text encoders (``te_model_options``, by which
ComfyUI's loader takes the sizes of unusual text encoders).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Loaded: TypeAlias = tuple[Any, Any, Any]
"""MODEL, CLIP and VAE."""

CLIP_LAYERS = {"clip_l_model_config": {"num_hidden_layers": 3}, "clip_g_model_config": {"num_hidden_layers": 3}}
"""The second to last layer's output is used, and ComfyUI wants that to be neither the first nor the last."""
SMALL_T5 = {"t5xxl_model_config": {"num_layers": 2, "d_model": 64, "d_ff": 128, "num_heads": 2}}
DETECTED_TEXT_ENCODERS = {
    "SD3": ("clip_l.transformer.text_model.final_layer_norm", "clip_g.transformer.text_model.final_layer_norm"),
    "Flux": ("t5xxl.transformer.encoder.final_layer_norm",),
    "FluxSchnell": ("t5xxl.transformer.encoder.final_layer_norm",),
}
"""Configuration -> modules by whose weights ComfyUI knows which text encoders there are."""


@dataclass(frozen=True, kw_only=True)
class Family:
    """How a small checkpoint of a family is made."""

    config: str
    """Class in ``comfy.supported_models`` that ComfyUI must find."""
    denoiser: Mapping[str, Any]
    """What that class takes."""
    latent_channels: int
    quant_convolutions: bool
    """Whether the autoencoder has them, as those up to SDXL have."""
    text_options: Mapping[str, Any] = field(default_factory=dict)


def unet(width: int = 320, **sizes: Any) -> dict[str, Any]:
    """A UNet of latent diffusion with three levels of equal width and one residual block each, unless told."""
    depths = sizes.pop("depths", [1, 1, 0])
    layers = len(depths) // 3
    return {
        "image_size": 32, "in_channels": 4, "out_channels": 4, "model_channels": width, "channel_mult": [1, 1, 1],
        "num_res_blocks": [layers] * 3, "transformer_depth": depths, "transformer_depth_middle": 1,
        "transformer_depth_output": [min(1, depths[level * layers]) for level in range(3) for _ in range(layers + 1)],
        "use_spatial_transformer": True, "use_temporal_attention": False, "adm_in_channels": None, "legacy": False,
        **sizes,
    }  # fmt: skip


def flux(guidance: bool) -> dict[str, Any]:
    """Flux.1 with two heads."""
    return {
        "image_model": "flux", "in_channels": 16, "out_channels": 16, "patch_size": 2, "hidden_size": 256,
        "vec_in_dim": 768, "context_in_dim": 64, "num_heads": 2, "mlp_ratio": 4.0, "depth": 2, "depth_single_blocks": 2,
        "axes_dim": [16, 56, 56], "theta": 10000, "qkv_bias": True, "guidance_embed": guidance, "txt_ids_dims": [],
    }  # fmt: skip


SD3_DENOISER = {
    "in_channels": 16, "out_channels": 16, "patch_size": 2, "depth": 3, "input_size": None, "adm_in_channels": 2048,
    "num_patches": 1024, "pos_embed_max_size": 32, "pos_embed_scaling_factor": None, "x_block_self_attn_layers": [],
    "context_embedder_config": {"target": "torch.nn.Linear", "params": {"in_features": 4096, "out_features": 192}},
}  # fmt: skip

FAMILIES = {
    "sd15": Family(
        config="SD15",
        denoiser=unet(context_dim=768, use_linear_in_transformer=False),
        latent_channels=4,
        quant_convolutions=True,
        text_options=CLIP_LAYERS,
    ),
    "sdxl": Family(
        config="SDXL",
        denoiser=unet(
            depths=[0, 0, 2, 2, 10, 10], context_dim=2048, adm_in_channels=2816, use_linear_in_transformer=True,
            num_classes="sequential",
        ),
        latent_channels=4,
        quant_convolutions=True,
        text_options=CLIP_LAYERS,
    ),
    "sd3": Family(
        config="SD3",
        denoiser=SD3_DENOISER,
        latent_channels=16,
        quant_convolutions=False,
        text_options=CLIP_LAYERS,
    ),
    "flux_dev": Family(
        config="Flux",
        denoiser=flux(guidance=True),
        latent_channels=16,
        quant_convolutions=False,
        text_options=CLIP_LAYERS | SMALL_T5,
    ),
    "flux_schnell": Family(
        config="FluxSchnell",
        denoiser=flux(guidance=False),
        latent_channels=16,
        quant_convolutions=False,
        text_options=CLIP_LAYERS | SMALL_T5,
    ),
}  # fmt: skip


def families() -> dict[str, Callable[[Path], Loaded]]:
    """Name -> what makes a checkpoint in a folder, unless it is there, and loads it by ComfyUI's own detection."""
    return {name: partial(_load, name) for name in FAMILIES}


def save(name: str, folder: Path) -> Path:
    """The checkpoint of a family in a folder, made unless it is there."""
    import torch
    from safetensors.torch import save_file

    file = folder / f"{name}.safetensors"
    if not file.is_file():
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            tensors = _tensors(FAMILIES[name])
        save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, file)
    return file


def _load(name: str, folder: Path) -> Loaded:
    import comfy.sd

    options = {key: dict(sizes) for key, sizes in FAMILIES[name].text_options.items()}
    return comfy.sd.load_checkpoint_guess_config(str(save(name, folder)), te_model_options=options)[:3]


def _tensors(family: Family) -> dict[str, Tensor]:
    import comfy.supported_models
    import torch

    config = getattr(comfy.supported_models, family.config)(dict(family.denoiser))
    config.set_inference_dtype(torch.float16, None)
    model = config.get_model({}, "")
    prefix, found = config.text_encoder_key_prefix[0], torch.ones(1, dtype=torch.float16)
    markers = {f"{prefix}{module}.weight": found for module in DETECTED_TEXT_ENCODERS.get(family.config, ())}
    options = {key: dict(sizes) for key, sizes in family.text_options.items()}
    text = config.clip_target(markers).clip(device="cpu", dtype=torch.float16, model_options=options)
    parts = (model.diffusion_model, text, autoencoder(family))
    tensors = model.state_dict_for_saving(*({n: t.half() for n, t in randomized(part).items()} for part in parts))
    # Released files of Flux have the older name, which ComfyUI turns into its own on loading.
    return {re.sub(r"((?:query|key)_norm)\.weight$", r"\1.scale", name): tensor for name, tensor in tensors.items()}


def autoencoder(family: Family) -> nn.Module:
    """The autoencoder of Stable Diffusion, whose widths ComfyUI takes for granted."""
    from comfy.ldm.models.autoencoder import AutoencoderKL, AutoencodingEngine

    sizes = {
        "double_z": True, "z_channels": family.latent_channels, "resolution": 256, "in_channels": 3, "out_ch": 3,
        "ch": 128, "ch_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_resolutions": [], "dropout": 0.0,
    }  # fmt: skip
    if family.quant_convolutions:
        return AutoencoderKL(ddconfig=sizes, embed_dim=family.latent_channels)
    place = "comfy.ldm.modules.diffusionmodules.model"
    return AutoencodingEngine(
        regularizer_config={"target": "comfy.ldm.models.autoencoder.DiagonalGaussianRegularizer"},
        encoder_config={"target": f"{place}.Encoder", "params": sizes},
        decoder_config={"target": f"{place}.Decoder", "params": sizes},
    )


def randomized(module: nn.Module) -> dict[str, Tensor]:
    """The names of a module's tensors with new values: matrices keep their inputs' scale, norms do nothing."""
    return {name: _random(name, tensor.shape).to(tensor.dtype) for name, tensor in module.state_dict().items()}


def _random(name: str, shape: torch.Size) -> Tensor:
    import torch

    if len(shape) < 2:
        return torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)
    if "embedding" in name or name.endswith(("pos_embed", "shared.weight")):
        return torch.randn(shape) * 0.02
    return torch.randn(shape) * shape[1:].numel() ** -0.5

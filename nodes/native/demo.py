"""The demo base as ComfyUI's own MODEL, CLIP and VAE, read from the project's folder: no checkpoint file is needed.

Sizes come from the configuration files in the folder. What ComfyUI can't tell from them, because its classes were made
for SD1.x in full size, is said here: factor 4 and 8 channels for the latents, v-prediction with zero terminal
signal-to-noise ratio (arXiv:2305.08891), and a tokenizer of its own.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import comfy.diffusers_convert
import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.sd
import comfy.sd1_clip
import comfy.supported_models
import comfy.supported_models_base
import comfy.utils
import folder_paths

from ...engine.core.resources import DEMO_BASE
from ...engine.models.diffusers_parts import read_config

if TYPE_CHECKING:
    from torch import Tensor

TOKEN_ROWS = 49408
"""Rows of the token table in ComfyUI's CLIP class, whatever the vocabulary."""
CONVERTED_LEVELS = 4
"""Levels of the autoencoders that ``comfy.diffusers_convert`` numbers its names for."""


class DemoLatents(comfy.latent_formats.LatentFormat):
    """Latents with a quarter of the pictures' side."""

    scale_factor = 1.0
    latent_channels = 8
    spacial_downscale_ratio = 4
    # Red, green and blue in [-1, 1] out of each channel: least squares over the demo data sets, of whose variance this
    # explains 93 %.
    latent_rgb_factors = [  # noqa: RUF012 - read only
        [0.155, -0.377, -0.123],
        [0.214, 0.043, 0.014],
        [0.387, -0.012, 0.233],
        [-0.080, -0.091, -0.066],
        [-0.270, -0.103, -0.089],
        [-0.397, -0.263, 0.166],
        [-0.186, -0.261, -0.164],
        [0.261, 0.070, -0.075],
    ]
    latent_rgb_factors_bias = [0.186, 0.109, 0.028]  # noqa: RUF012


class DemoConfig(comfy.supported_models.SD15):
    """What ComfyUI's loader finds out about a checkpoint, for the demo base."""

    declared_in = DEMO_BASE
    """Where the base model's own declarations are."""
    latent_format = DemoLatents
    sampling_settings = {"zsnr": True}  # noqa: RUF012 - copied by the base class
    unet_extra_config = {}  # noqa: RUF012

    def model_type(self, *_: Any) -> Any:
        """How it predicts, whatever the weights are."""
        return comfy.model_base.ModelType.V_PREDICTION

    def inpaint_model(self) -> bool:
        """No, though more than 4 input channels would mean it in SD1.x."""
        return False

    def clip_target(self, **_: Any) -> Any:
        """Text encoder and tokenizer, whatever the weights are."""
        return _clip_target()


def demo_checkpoint() -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE of the demo base, new each time."""
    return _model(), _clip(), _vae()


def _model(disable_dynamic: bool = False) -> Any:
    """The denoiser's patcher.

    Args:
        disable_dynamic: leave out ComfyUI's dynamic loading of weights, in the versions that have it.
    """
    config = _unet_config(read_config(DEMO_BASE, "unet"))
    names = comfy.utils.unet_to_diffusers(config)
    weights = {names[name]: tensor for name, tensor in _weights("unet").items()}
    management, device = comfy.model_management, comfy.model_management.get_torch_device()
    described = DemoConfig(config)
    dtype = management.unet_dtype(
        model_params=comfy.utils.calculate_parameters(weights),
        supported_dtypes=list(described.supported_inference_dtypes),
        weight_dtype=comfy.utils.weight_dtype(weights),
    )
    described.set_inference_dtype(
        dtype, management.unet_manual_cast(dtype, device, described.supported_inference_dtypes)
    )
    model = described.get_model(weights, "", device=management.unet_offload_device())
    plain = comfy.model_patcher.ModelPatcher
    patcher = plain if disable_dynamic else getattr(comfy.model_patcher, "CoreModelPatcher", plain)
    patched = patcher(model, load_device=device, offload_device=management.unet_offload_device())
    dynamic = getattr(patched, "is_dynamic", bool)()
    model.load_model_weights(weights, "", **({"assign": True} if dynamic else {}))
    return _reloadable(patched, _model)


def _clip(**options: Any) -> Any:
    """The text encoder; ``options`` are those with which this version of ComfyUI makes one anew."""
    weights = {f"clip_l.transformer.{name}": tensor for name, tensor in _text_weights().items()}
    clip = comfy.sd.CLIP(
        _clip_target(),
        embedding_directory=folder_paths.get_folder_paths("embeddings"),
        parameters=comfy.utils.calculate_parameters(weights),
        state_dict=weights,
        **options,
    )
    _reloadable(clip.patcher, _clip_patcher)
    return clip


def _vae() -> Any:
    config = read_config(DEMO_BASE, "vae")
    channels, levels = config["block_out_channels"], len(config["block_out_channels"])
    settings = {
        "double_z": True, "z_channels": config["latent_channels"], "resolution": config["sample_size"],
        "in_channels": 3, "out_ch": 3, "ch": channels[0], "ch_mult": [width // channels[0] for width in channels],
        "num_res_blocks": config["layers_per_block"], "attn_resolutions": [], "dropout": 0.0,
    }  # fmt: skip
    vae = comfy.sd.VAE(
        sd=_vae_weights(levels), config={"params": {"ddconfig": settings, "embed_dim": config["latent_channels"]}}
    )
    vae.downscale_ratio = vae.upscale_ratio = DemoLatents.spacial_downscale_ratio
    vae.latent_channels = DemoLatents.latent_channels
    _reloadable(vae.patcher, _vae_patcher)
    return vae


def _clip_patcher(**options: Any) -> Any:
    return _clip(**options).patcher


def _vae_patcher(**_: Any) -> Any:
    return _vae().patcher


def _reloadable(patcher: Any, load: Any) -> Any:
    """Tell ComfyUI how to make the patcher anew, which its copies for other devices and deep clones ask for."""
    patcher.cached_patcher_init = (load, ())
    return patcher


def _weights(part: str) -> dict[str, Tensor]:
    return comfy.utils.load_torch_file(str(next((DEMO_BASE / part).glob("*.safetensors"))))


def _unet_config(config: dict[str, Any]) -> dict[str, Any]:
    """ComfyUI's settings of the UNet out of diffusers' ones. Lists of depths run from the picture's side inwards."""
    widths, layers = config["block_out_channels"], config["layers_per_block"]
    depths = [int(kind.startswith("CrossAttn")) for kind in config["down_block_types"]]
    return {
        "image_size": config["sample_size"],
        "in_channels": config["in_channels"],
        "out_channels": config["out_channels"],
        "model_channels": widths[0],
        "channel_mult": [width // widths[0] for width in widths],
        "num_res_blocks": [layers] * len(widths),
        "transformer_depth": [depth for depth in depths for _ in range(layers)],
        "transformer_depth_middle": 1,
        "transformer_depth_output": [depth for depth in depths for _ in range(layers + 1)],
        "context_dim": config["cross_attention_dim"],
        "num_heads": config["attention_head_dim"],  # diffusers' name for the number of heads
        "num_head_channels": -1,
        "use_spatial_transformer": True,
        "use_linear_in_transformer": config["use_linear_projection"],
        "use_temporal_attention": False,
        "adm_in_channels": None,
        "legacy": False,
    }


def _text_weights() -> dict[str, Tensor]:
    """The text encoder's weights, with the rows and the projection that ComfyUI's class has besides."""
    import torch
    from torch.nn.functional import pad

    weights = _weights("text_encoder")
    weights = {f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in weights.items()}
    table = "text_model.embeddings.token_embedding.weight"
    weights[table] = pad(weights[table], (0, 0, 0, TOKEN_ROWS - len(weights[table])))
    weights["text_projection.weight"] = torch.eye(weights[table].shape[1], dtype=weights[table].dtype)
    return weights


def _clip_target() -> Any:
    config = read_config(DEMO_BASE, "text_encoder")
    length, width = config["max_position_embeddings"], config["hidden_size"]
    tokens = {"start": config["bos_token_id"], "end": config["eos_token_id"], "pad": config["pad_token_id"]}
    encoder = partial(
        comfy.sd1_clip.SDClipModel,
        max_length=length,
        textmodel_json_config=config,
        special_tokens=tokens,
        return_projected_pooled=False,
    )
    tokenizer = partial(
        comfy.sd1_clip.SDTokenizer,
        tokenizer_path=str(DEMO_BASE / "tokenizer"),
        max_length=length,
        embedding_size=width,
    )
    target = comfy.supported_models_base.ClipTarget(
        partial(comfy.sd1_clip.SD1Tokenizer, tokenizer=tokenizer), comfy.sd1_clip.SD1ClipModel
    )
    target.params = {"clip_model": encoder}
    return target


def _vae_weights(levels: int) -> dict[str, Tensor]:
    weights = comfy.diffusers_convert.convert_vae_state_dict(_weights("vae"))
    surplus = CONVERTED_LEVELS - levels

    def renumbered(found: re.Match[str]) -> str:
        return f"decoder.up.{int(found[1]) - surplus}."

    return {re.sub(r"^decoder\.up\.(\d+)\.", renumbered, name): tensor for name, tensor in weights.items()}

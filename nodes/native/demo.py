"""The demo base as ComfyUI's own MODEL, CLIP and VAE, read from the project's folder: no checkpoint file is needed.

Sizes come from the configuration files in the folder. What ComfyUI can't tell from them, because its classes were made
for SD1.x in full size, is said here: factor 4 and 8 channels for the latents, v-prediction with zero terminal
signal-to-noise ratio (arXiv:2305.08891), and a tokenizer of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any, TypeAlias

from ...engine.core.resources import DEMO_BASE
from ...engine.models.diffusers_parts import read_config
from .seam import CLIP, COMFY, DEMO, LOADING, VAE, ModelPatcher

if TYPE_CHECKING:
    from torch import Tensor

Read: TypeAlias = "Callable[[str], dict[str, Tensor]]"
"""Gives the weights of a part of the diffusers folder by their names there."""
TOKEN_ROWS = 49408
"""Rows of the token embedding in ComfyUI's CLIP class, whatever the vocabulary."""
CONVERTED_LEVELS = 4
"""Levels of the autoencoders whose names ``comfy.diffusers_convert`` knows."""


LATENT_CHANNELS, LATENT_FACTOR = 8, 4
LATENT_RGB = [
    [0.155, -0.377, -0.123],
    [0.214, 0.043, 0.014],
    [0.387, -0.012, 0.233],
    [-0.080, -0.091, -0.066],
    [-0.270, -0.103, -0.089],
    [-0.397, -0.263, 0.166],
    [-0.186, -0.261, -0.164],
    [0.261, 0.070, -0.075],
]
"""Red, green and blue in [-1, 1] from each channel, for quick previews: least squares over the demo data sets, of whose
variance this explains 93 %."""


@cache
def _config_class() -> type[Any]:
    """What ComfyUI's loader would find out about a checkpoint, for the demo base."""

    class DemoLatents(DEMO.LatentFormat):
        scale_factor = 1.0
        latent_channels = LATENT_CHANNELS
        spacial_downscale_ratio = LATENT_FACTOR
        latent_rgb_factors = LATENT_RGB
        latent_rgb_factors_bias = [0.186, 0.109, 0.028]  # noqa: RUF012 - only read

    class DemoConfig(DEMO.SD15):
        declared_in = DEMO_BASE  # where the base model's own declarations are
        latent_format = DemoLatents
        sampling_settings = {"zsnr": True}  # noqa: RUF012 - the base class copies it
        unet_extra_config = {}  # noqa: RUF012

        def model_type(self, *_: Any) -> Any:
            """What it predicts, whatever the weights are."""
            return DEMO.ModelType.V_PREDICTION

        def inpaint_model(self) -> bool:
            """No, though more than 4 input channels would mean that in SD1.x."""
            return False

        def clip_target(self, **_: Any) -> Any:
            """Text encoder and tokenizer, whatever the weights are."""
            return _clip_target()

    return DemoConfig


def demo_checkpoint(read: Read | None = None) -> tuple[ModelPatcher, CLIP, VAE]:
    """MODEL, CLIP and VAE of the demo base, new each time.

    Args:
        read: gives other weights than those of its files, as after training all of them.
    """
    read = read or _weights
    return _model(read), _clip(read), _vae(read)


def _model(read: Read, disable_dynamic: bool = False) -> ModelPatcher:
    """The denoiser.

    Args:
        read: its weights.
        disable_dynamic: load the weights rather than stream them, as ComfyUI asks for when it makes the model anew.
    """
    config = _unet_config(read_config(DEMO_BASE, "unet"))
    names = COMFY.unet_to_diffusers(config)
    weights = {names[name]: tensor for name, tensor in read("unet").items()}
    device, offload_device = DEMO.get_torch_device(), DEMO.unet_offload_device()
    described = _config_class()(config)
    dtype = DEMO.unet_dtype(
        model_params=DEMO.calculate_parameters(weights),
        supported_dtypes=list(described.supported_inference_dtypes),
        weight_dtype=DEMO.weight_dtype(weights),
    )
    described.set_inference_dtype(dtype, DEMO.unet_manual_cast(dtype, device, described.supported_inference_dtypes))
    model = described.get_model(weights, "", device=offload_device)
    kind = DEMO.ModelPatcher if disable_dynamic else DEMO.CoreModelPatcher
    patcher = kind(model, load_device=device, offload_device=offload_device)
    model.load_model_weights(weights, "", assign=patcher.is_dynamic())
    return _reloadable(patcher, partial(_model, read))


def _clip(read: Read, disable_dynamic: bool = False) -> CLIP:
    weights = {f"clip_l.transformer.{name}": tensor for name, tensor in _text_weights(read).items()}
    clip = DEMO.CLIP(
        _clip_target(),
        embedding_directory=LOADING.get_folder_paths("embeddings"),
        parameters=DEMO.calculate_parameters(weights),
        state_dict=weights,
        disable_dynamic=disable_dynamic,
    )
    _reloadable(clip.patcher, lambda **options: _clip(read, **options).patcher)
    return clip


def _vae(read: Read) -> VAE:
    config = read_config(DEMO_BASE, "vae")
    channels, levels = config["block_out_channels"], len(config["block_out_channels"])
    settings = {
        "double_z": True, "z_channels": config["latent_channels"], "resolution": config["sample_size"],
        "in_channels": 3, "out_ch": 3, "ch": channels[0], "ch_mult": [width // channels[0] for width in channels],
        "num_res_blocks": config["layers_per_block"], "attn_resolutions": [], "dropout": 0.0,
    }  # fmt: skip
    vae = DEMO.VAE(
        sd=_vae_weights(read, levels), config={"params": {"ddconfig": settings, "embed_dim": config["latent_channels"]}}
    )
    vae.downscale_ratio = vae.upscale_ratio = LATENT_FACTOR
    vae.latent_channels = LATENT_CHANNELS
    _reloadable(vae.patcher, lambda **_: _vae(read).patcher)
    return vae


def _reloadable(patcher: ModelPatcher, load: Callable[..., ModelPatcher]) -> ModelPatcher:
    """The patcher, told how to make it anew: ComfyUI does so for deep clones and for copies on other devices."""
    patcher.cached_patcher_init = (load, ())
    return patcher


def _weights(part: str) -> dict[str, Tensor]:
    return DEMO.load_torch_file(str(next((DEMO_BASE / part).glob("*.safetensors"))))


def _unet_config(config: dict[str, Any]) -> dict[str, Any]:
    """ComfyUI's configuration of the UNet from diffusers' one. Depths are listed from the outermost level inwards."""
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


def _text_weights(read: Read) -> dict[str, Tensor]:
    """The text encoder's weights, with the further rows and the projection that ComfyUI's class has."""
    import torch
    from torch.nn.functional import pad

    weights = read("text_encoder")
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
        DEMO.SDClipModel,
        max_length=length,
        textmodel_json_config=config,
        special_tokens=tokens,
        return_projected_pooled=False,
    )
    tokenizer = partial(
        DEMO.SDTokenizer,
        tokenizer_path=str(DEMO_BASE / "tokenizer"),
        max_length=length,
        embedding_size=width,
    )
    target = DEMO.ClipTarget(partial(DEMO.SD1Tokenizer, tokenizer=tokenizer), DEMO.SD1ClipModel)
    target.params = {"clip_model": encoder}
    return target


def _vae_weights(read: Read, levels: int) -> dict[str, Tensor]:
    weights = DEMO.convert_vae_state_dict(read("vae"))
    surplus = CONVERTED_LEVELS - levels

    def renumbered(found: re.Match[str]) -> str:
        return f"decoder.up.{int(found[1]) - surplus}."

    return {re.sub(r"^decoder\.up\.(\d+)\.", renumbered, name): tensor for name, tensor in weights.items()}

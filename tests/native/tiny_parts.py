"""Text encoders and autoencoders of a few thousand weights for ComfyUI's models; imported inside ComfyUI's own Python.

CLIP, T5, Qwen3 and Qwen2.5-VL are ComfyUI's own classes at tiny sizes, by the options that its loaders take for unusual
text encoders. Those of other families can't be built small (they bring vision towers, or a vocabulary in the
checkpoint): :class:`Words` stands in for them, a real text encoder of one embedding that gives tensors of the family's
shapes.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from checkpoints import randomized
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor

WIDTH = 64
"""Of tiny text encoders."""
_CLIP = {"num_hidden_layers": 3, "hidden_size": WIDTH, "intermediate_size": WIDTH, "num_attention_heads": 2}
_T5 = {"num_layers": 2, "d_model": WIDTH, "d_ff": WIDTH, "num_heads": 2, "d_kv": 32}
_QWEN3 = {
    "num_hidden_layers": 28, "hidden_size": WIDTH, "intermediate_size": WIDTH, "num_attention_heads": 1,
    "num_key_value_heads": 1,
}  # fmt: skip
_QWEN25 = {**_QWEN3, "num_hidden_layers": 2}
_VISION = {"hidden_size": WIDTH, "intermediate_size": WIDTH, "num_heads": 2, "num_layers": 2}
OPTIONS = {
    "clip_l_model_config": _CLIP, "clip_g_model_config": _CLIP, "clip_h_model_config": _CLIP,
    "t5xxl_model_config": _T5, "qwen3_4b_model_config": _QWEN3, "qwen25_7b_model_config": _QWEN25,
}  # fmt: skip
"""Sizes of ComfyUI's own classes."""
ROWS = 256
"""Words that :class:`Words` tells apart."""

Extras = Callable[["Tensor", "Tensor"], Mapping[str, Any]]
"""What a text encoder gives besides states and pooled output, from token ids (L,) and states (1, L, width)."""


def text_encoder(tokenizer: Any, model: Any) -> Any:
    """A CLIP object of these classes with random weights."""
    import comfy.sd
    from comfy.supported_models_base import ClipTarget

    options = {name: dict(sizes) for name, sizes in OPTIONS.items()}
    clip = comfy.sd.CLIP(ClipTarget(tokenizer, model), model_options=options)
    clip.cond_stage_model.load_state_dict(randomized(clip.cond_stage_model))
    return clip


def qwen_image_text() -> Any:
    """A CLIP object of ComfyUI's text encoder of Qwen-Image, whose class has a vision tower of one size."""
    from comfy.text_encoders import qwen_image, qwen_vl

    tower = qwen_vl.Qwen2VLVisionTransformer
    qwen_vl.Qwen2VLVisionTransformer = lambda **given: tower(**given | _VISION)
    try:
        return text_encoder(qwen_image.QwenImageTokenizer, qwen_image.te())
    finally:
        qwen_vl.Qwen2VLVisionTransformer = tower


class Tokenizer:
    """A token for each word, and one for the end."""

    def __init__(self, **others: Any) -> None:
        del others

    def tokenize_with_weights(self, text: str, return_word_ids: bool = False, **others: Any) -> dict[str, Any]:
        del return_word_ids, others
        ids = [zlib.crc32(word.encode()) % (ROWS - 1) + 1 for word in text.split()]
        return {"words": [[(number, 1.0) for number in (*ids, 0)]]}


class Words(nn.Module):
    """A text encoder of one embedding, by the protocol of ComfyUI's.

    Args:
        width: of the states.
        pooled: of the pooled output; 0 for none.
        extras: what it gives besides.
    """

    def __init__(self, width: int, pooled: int = 0, extras: Extras | None = None, **others: Any) -> None:
        super().__init__()
        self.dtypes = {others["dtype"]}
        self.embedding = nn.Embedding(ROWS, width, dtype=others["dtype"], device=others["device"])
        self.pooled, self.extras = pooled, extras

    def encode_token_weights(self, token_weight_pairs: Mapping[str, Any]) -> tuple[Any, ...]:
        import torch

        ids = torch.tensor([number for number, _ in token_weight_pairs["words"][0]])
        states = self.embedding(ids)[None]
        first = states[:, 0].repeat(1, -(-self.pooled // states.shape[-1]))[:, : self.pooled] if self.pooled else None
        return states, first, *([dict(self.extras(ids, states))] if self.extras else [])

    def set_clip_options(self, options: Mapping[str, Any]) -> None: ...

    def reset_clip_options(self) -> None: ...


def words(width: int = WIDTH, pooled: int = 0, extras: Extras | None = None) -> Any:
    """A CLIP object of :class:`Words`."""
    return text_encoder(Tokenizer, lambda **given: Words(width, pooled, extras, **given))


def masked(ids: Tensor, states: Tensor) -> Mapping[str, Any]:
    """A mask that hides nothing, as most large text encoders give it."""
    del states
    return {"attention_mask": ids.new_ones(1, len(ids))}


class Frames(nn.Module):
    """An autoencoder of pictures as one of films: with an axis of time, of one frame."""

    def __init__(self, pictures: nn.Module) -> None:
        super().__init__()
        self.pictures = pictures

    def encode(self, x: Tensor) -> Tensor:
        return self.pictures.encode(x.squeeze(2)).unsqueeze(2)  # type: ignore[operator]

    def decode(self, z: Tensor) -> Tensor:
        return self.pictures.decode(z.squeeze(2)).unsqueeze(2)  # type: ignore[operator]


def autoencoder(channels: int, factor: int = 8, films: bool = False) -> Any:
    """A VAE object of ComfyUI's class for pictures, with latents of so many channels."""
    import comfy.sd
    from comfy.ldm.models.autoencoder import AutoencoderKL
    from comfy.model_patcher import ModelPatcher

    sizes = {
        "double_z": True, "z_channels": channels, "resolution": 64, "in_channels": 3, "out_ch": 3, "ch": 32,
        "ch_mult": [1] * factor.bit_length(), "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0,
    }  # fmt: skip
    config = {"ddconfig": sizes, "embed_dim": channels}
    vae = comfy.sd.VAE(sd=randomized(AutoencoderKL(**config)), config={"params": config})
    vae.downscale_ratio = vae.upscale_ratio = factor
    vae.latent_channels = channels
    if films:
        vae.first_stage_model, vae.latent_dim = Frames(vae.first_stage_model), 3
        vae.downscale_ratio = vae.upscale_ratio = (lambda frames: frames, factor, factor)
        vae.patcher = ModelPatcher(vae.first_stage_model, load_device=vae.device, offload_device=vae.device)
    return vae


def wan_autoencoder() -> Any:
    """ComfyUI's autoencoder of Wan 2.1, which Qwen-Image, Krea 2 and Anima have too."""
    import comfy.sd
    from comfy.ldm.wan.vae import WanVAE

    made = WanVAE(
        dim=8, z_dim=16, dim_mult=[1, 2, 4, 4], num_res_blocks=2, attn_scales=[],
        temperal_downsample=[False, True, True],
    )  # fmt: skip
    return comfy.sd.VAE(sd=randomized(made))

"""Names and shapes of the tensors in single-file checkpoints, those of the code that latent diffusion was published in.

They are the way back of what diffusers' ``convert_ldm_*`` functions do on loading; ComfyUI reads the same names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..adapters.ldm_names import ldm_names
from ..core.errors import BaseModelError
from ..core.words import first_of
from ..models.family import Part

if TYPE_CHECKING:
    from torch import Tensor

_VAE = {
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1",
    "downsamplers.0": "downsample",
    "upsamplers.0": "upsample",
    "down_blocks": "down",
    "resnets": "block",
    "conv_shortcut": "nin_shortcut",
    "conv_norm_out": "norm_out",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
_OPEN_CLIP = {
    "encoder.layers": "transformer.resblocks",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "fc1": "c_fc",
    "fc2": "c_proj",
    "self_attn": "attn",
    "final_layer_norm": "ln_final",
    "embeddings.token_embedding": "token_embedding",
    "embeddings.position_embedding.weight": "positional_embedding",
}


def in_checkpoint(part: Part, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The parameters of a part, called and shaped as in a checkpoint.

    Args:
        part: with its prefix.
        weights: name in diffusers or transformers -> parameter.

    Raises:
        BaseModelError: checkpoints have no name for one.
    """
    entries = {"unet": _unet, "vae": _vae, "clip": _clip, "clip_with_projection": _clip}[part.kind]
    if part.open_clip:
        entries = _open_clip
    return {part.prefix + name: tensor for name, tensor in entries(weights)}


def _unet(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    layers = {name.rpartition(".")[0] for name in weights}
    names = ldm_names(layers)
    if unknown := sorted(layers - names.keys()):
        raise BaseModelError(
            f"Checkpoints have no name for these layers of the UNet: {first_of(unknown, 3)}.",
            expected="a UNet of Stable Diffusion 1.x, 2.x or XL",
            hint="save a diffusers folder instead.",
        )
    for name, tensor in weights.items():
        layer, _, kind = name.rpartition(".")
        yield f"{names[layer]}.{kind}", tensor


def _vae(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    levels = 1 + max(int(found[1]) for name in weights if (found := re.search(r"up_blocks\.(\d+)", name)))
    for name, tensor in weights.items():
        if re.search(r"attentions\.0\.to_.*weight", name):
            tensor = tensor[:, :, None, None]  # the original code attends with 1 x 1 convolutions
        counted = re.sub(r"up_blocks\.(\d+)", lambda found: f"up.{levels - 1 - int(found[1])}", name)
        yield _replaced(counted, _VAE), tensor


def _clip(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Newer versions of transformers leave a level out."""
    for name, tensor in weights.items():
        yield name if name.startswith("text_projection") else f"text_model.{_short(name)}", tensor


def _open_clip(weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """OpenCLIP has queries, keys and values in one tensor, and the projection transposed."""
    import torch

    for name, tensor in weights.items():
        short = _short(name)
        if short == "text_projection.weight":
            yield "text_projection", tensor.T
        elif ".q_proj." in short:
            whole = torch.cat([weights[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"])
            yield _replaced(short.replace(".q_proj.", ".in_proj_"), _OPEN_CLIP), whole
        elif ".k_proj." not in short and ".v_proj." not in short:
            yield _replaced(short, _OPEN_CLIP), tensor


def _short(name: str) -> str:
    return name.removeprefix("text_model.")


def _replaced(name: str, words: Mapping[str, str]) -> str:
    for ours, theirs in words.items():
        name = re.sub(rf"(?<!\w){re.escape(ours)}(?!\w)", theirs, name)
    return name

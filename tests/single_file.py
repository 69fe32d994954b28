"""Single-file checkpoints out of diffusers folders: the names and shapes of the original latent diffusion code."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor

UNET_TOP = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
UNET_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
VAE_WORDS = {
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


def save_checkpoint(
    folder: Path, file: Path, *, dtype: torch.dtype | None = None, markers: tuple[str, ...] = ()
) -> Path:
    """Write the weights of a diffusers folder of SD1.x as one file.

    Args:
        folder: diffusers folder.
        file: the ``.safetensors`` file to write.
        dtype: number format; that of the folder unless told.
        markers: names of empty tensors to add.
    """
    import torch
    from safetensors.torch import load_file, save_file

    tensors: dict[str, Tensor] = {}
    for part in ("unet", "vae", "text_encoder"):
        weights = load_file(next((folder / part).glob("*.safetensors")))
        tensors |= renamed(part, weights, json.loads((folder / part / "config.json").read_text()))
    tensors = {name: tensor.to(dtype or tensor.dtype) for name, tensor in tensors.items()}
    # What real files hold besides, and no part uses.
    tensors["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(32)[None]
    tensors["alphas_cumprod"] = torch.linspace(1, 0, 1000)
    tensors |= {marker: torch.tensor([]) for marker in markers}
    save_file(tensors, file)
    return file


def renamed(part: str, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of one part, called and shaped as in a checkpoint."""
    if part == "unet":
        return {f"model.diffusion_model.{_unet_name(name, config)}": tensor for name, tensor in weights.items()}
    if part == "vae":
        return dict(_vae_entry(name, tensor, len(config["block_out_channels"])) for name, tensor in weights.items())
    prefix = "cond_stage_model.transformer.text_model."
    return {prefix + name.removeprefix("text_model."): tensor for name, tensor in weights.items()}


def _unet_name(name: str, config: Mapping[str, Any]) -> str:
    layers = config["layers_per_block"]
    found = re.fullmatch(r"(\w+)_blocks?\.(?:(\d+)\.)?(\w+)\.(\d+)\.(.+)", name)
    if found is None:
        return _replaced(name, UNET_TOP)
    where, block, kind, number, rest = found[1], int(found[2] or 0), found[3], int(found[4]), found[5]
    if kind == "downsamplers":
        return f"input_blocks.{(block + 1) * (layers + 1)}.0.op.{rest.removeprefix('conv.')}"
    if kind == "upsamplers":
        after_attention = config["up_block_types"][block] == "CrossAttnUpBlock2D"
        return f"output_blocks.{block * (layers + 1) + layers}.{1 + after_attention}.{rest}"
    if kind == "resnets":
        rest = _replaced(rest, UNET_RESNET)
    if where == "mid":
        return f"middle_block.{1 if kind == 'attentions' else 2 * number}.{rest}"
    place = block * (layers + 1) + number + (where == "down")
    return f"{'input' if where == 'down' else 'output'}_blocks.{place}.{int(kind == 'attentions')}.{rest}"


def _vae_entry(name: str, tensor: Tensor, blocks: int) -> tuple[str, Tensor]:
    name = re.sub(r"up_blocks\.(\d+)", lambda found: f"up.{blocks - 1 - int(found[1])}", name)
    if re.search(r"attentions\.0\.to_.*weight", name):
        tensor = tensor[:, :, None, None]  # the original code attends with 1 x 1 convolutions
    return f"first_stage_model.{_replaced(name, VAE_WORDS)}", tensor


def _replaced(name: str, words: Mapping[str, str]) -> str:
    for ours, theirs in words.items():
        name = re.sub(rf"(?<![\w]){re.escape(ours)}(?![\w])", theirs, name)
    return name

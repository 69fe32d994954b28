"""Single-file checkpoints out of diffusers folders: the names and shapes of the original latent diffusion code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lora_workbench.engine.models.families import sd1
from lora_workbench.engine.models.family import Family, Part

if TYPE_CHECKING:
    import torch
    from torch import Tensor

UNET_TOP = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
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
OPEN_CLIP_WORDS = {
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


def save_checkpoint(
    folder: Path,
    file: Path,
    *,
    dtype: torch.dtype | None = None,
    markers: tuple[str, ...] = (),
    family: Family = sd1.FAMILY,
) -> Path:
    """Write the weights of a diffusers folder as one file.

    Args:
        folder: diffusers folder.
        file: the ``.safetensors`` file to write.
        dtype: of the tensors; that of the folder unless told.
        markers: names of empty tensors to add.
        family: of the model.
    """
    import torch
    from safetensors.torch import load_file, save_file

    tensors: dict[str, Tensor] = {}
    for name, part in family.parts.items():
        if part.prefix:
            weights = load_file(next((folder / name).glob("*.safetensors")))
            tensors |= renamed(part, weights, json.loads((folder / name / "config.json").read_text()))
    tensors = {name: tensor.to(dtype or tensor.dtype).contiguous() for name, tensor in tensors.items()}
    # What real files hold besides, and no part uses.
    for part in family.parts.values():
        if part.open_clip:
            tensors[f"{part.prefix}logit_scale"] = torch.tensor(4.6)
        elif part.kind == "clip":
            tensors[f"{part.prefix}text_model.embeddings.position_ids"] = torch.arange(32)[None]
    tensors["alphas_cumprod"] = torch.linspace(1, 0, 1000)
    tensors |= {marker: torch.tensor([]) for marker in markers}
    save_file(tensors, file)
    return file


def renamed(part: Part, weights: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of one part, called and shaped as in a checkpoint."""
    if part.kind == "unet":
        return {part.prefix + _unet_name(name, config): tensor for name, tensor in weights.items()}
    if part.kind == "vae":
        return dict(_vae_entry(name, tensor, len(config["block_out_channels"])) for name, tensor in weights.items())
    if part.open_clip:
        return dict(_open_clip_entries(part.prefix, weights))
    return {f"{part.prefix}text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in weights.items()}


def _open_clip_entries(prefix: str, weights: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """OpenCLIP has queries, keys and values in one tensor, and the projection transposed."""
    import torch

    for name, tensor in weights.items():
        short = name.removeprefix("text_model.")
        if short == "text_projection.weight":
            yield f"{prefix}text_projection", tensor.T
        elif ".q_proj." in short:
            whole = torch.cat([weights[name.replace(".q_proj.", f".{part}_proj.")] for part in "qkv"])
            joined = short.replace(".q_proj.", ".in_proj_")
            yield prefix + _replaced(joined, OPEN_CLIP_WORDS), whole
        elif ".k_proj." not in short and ".v_proj." not in short:
            yield prefix + _replaced(short, OPEN_CLIP_WORDS), tensor


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

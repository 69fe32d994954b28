"""Adapter files as other programs write them, and how much they change each weight by their own formula."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiny import Parts

if TYPE_CHECKING:
    from torch import Tensor, nn

Deltas = dict[str, "Tensor"]
"""Module key -> change of its weight."""
TARGETS = ["to_q", "to_out.0", "ff.net.0.proj", "conv1"]
TEXT_TARGETS = ["q_proj", "out_proj", "fc1"]


def filled(model: nn.Module, seed: int = 0) -> nn.Module:
    """Change all trainable parameters, as a training does."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator).to(parameter.dtype))
    return model


def with_adapter(model: nn.Module, config: Any, seed: int = 0) -> nn.Module:
    """A copy of a model with an adapter of peft inside."""
    from peft import inject_adapter_in_model

    return filled(inject_adapter_in_model(config, copy.deepcopy(model).requires_grad_(False)), seed)


def merged(model: nn.Module, component: str) -> Deltas:
    """What peft changes when it merges its adapters; the model is no longer usable."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    found = {}
    for name, layer in model.named_modules():
        if isinstance(layer, BaseTunerLayer):
            before = layer.get_base_layer().weight.detach().clone()
            layer.merge()
            path = name.removeprefix("base_model.model.")
            found[f"{component}.{path}"] = layer.get_base_layer().weight.detach() - before
    return found


def lora_config(targets: list[str] = TARGETS, **settings: Any) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        **{"r": 4, "lora_alpha": 1, "target_modules": targets, "init_lora_weights": "gaussian", **settings}
    )


def diffusers_file(parts: Parts, folder: Path, **settings: Any) -> tuple[Path, Deltas]:
    """By diffusers' own pipeline, with the text encoder, as its training scripts do it."""
    from diffusers import StableDiffusionPipeline
    from diffusers.training_utils import _collate_lora_metadata
    from peft import get_peft_model_state_dict

    unet = with_adapter(parts["denoiser"], lora_config(**settings))
    text = with_adapter(parts["text_encoder"], lora_config(TEXT_TARGETS, lora_alpha=3), seed=1)
    StableDiffusionPipeline.save_lora_weights(
        folder,
        unet_lora_layers=get_peft_model_state_dict(unet),
        text_encoder_lora_layers=get_peft_model_state_dict(text),
        **_collate_lora_metadata({"unet": unet, "text_encoder": text}),
    )
    return folder / "pytorch_lora_weights.safetensors", merged(unet, "denoiser") | merged(text, "text_encoder")


def peft_folder(parts: Parts, folder: Path, config: Any, component: str = "denoiser") -> tuple[Path, Deltas]:
    """By peft's own ``save_pretrained``."""
    from peft import get_peft_model

    model = filled(get_peft_model(copy.deepcopy(parts[component]), config))
    model.save_pretrained(folder)
    return folder, merged(model, component)


def lycoris_file(parts: Parts, path: Path, algo: str, **settings: Any) -> tuple[Path, Deltas]:
    """By the package ``lycoris-lora``; the changes are those of its layers' outputs.

    What its ``merge_to`` makes isn't what was trained: version 4.1 multiplies LoHa and LoKr by their scale twice.
    """
    import torch
    from lycoris import LycorisNetwork, create_lycoris

    dtype = torch.float32 if "oft" in algo else torch.float64  # its rotations are float32 always

    def matrix(layer: Any) -> Tensor:
        ones = torch.eye(layer.in_features, dtype=dtype)
        return (layer(ones) - layer(torch.zeros_like(ones))).T

    model = copy.deepcopy(parts["denoiser"]).requires_grad_(False).to(dtype)
    preset = {"target_module": [], "target_name": ["*attn1.to_q", "*.ff.net.?", "*.ff.net.0.proj"], "use_fnmatch": True}
    LycorisNetwork.apply_preset(preset)
    network = create_lycoris(model, 1.0, linear_dim=4, linear_alpha=2.0, algo=algo, **settings)
    names = {id(module): f"denoiser.{name}" for name, module in model.named_modules()}
    layers = {names[id(lora.org_module[0])]: lora.org_module[0] for lora in network.loras}
    before = {name: matrix(layer) for name, layer in layers.items()}
    network.apply_to()  # only now it has parameters
    filled(network.to(dtype)).eval()
    with torch.no_grad():
        changes = {name: (matrix(layer) - before[name]).float() for name, layer in layers.items()}
    network.save_weights(str(path), None, None)
    return path, changes


def some(key: str) -> bool:
    return key.endswith(("to_q", "conv1", "q_proj"))


def factors(
    parts: Parts, *, rank: int = 4, alpha: float = 1.0, chosen: Callable[[str], bool] = some
) -> tuple[dict[str, dict[str, Tensor]], Deltas]:
    r"""Random factors for some modules, and :math:`\alpha / r \cdot BA` by plain matrix products.

    Args:
        parts: the model.
        rank: of all.
        alpha: of all.
        chosen: whether a module, by its key, gets an update.

    Returns:
        Module key -> ``down`` and ``up``; module key -> change of its weight.
    """
    import torch

    generator = torch.Generator().manual_seed(3)
    tensors, deltas = {}, {}
    for key, (out, *rest) in parts.module_shapes().items():
        if rest and chosen(key):
            down = torch.randn(rank, *rest, generator=generator)
            up = torch.randn(out, rank, *[1] * (len(rest) - 1), generator=generator)
            tensors[key] = {"down": down, "up": up}
            product = up.reshape(out, rank) @ down.reshape(rank, -1)
            deltas[key] = (alpha / rank * product).reshape(out, *rest)
    return tensors, deltas

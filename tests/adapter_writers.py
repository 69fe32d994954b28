"""Adapter files as other programs write them, and how much they change each weight by their own formula."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
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
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
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
    """By the package ``lycoris-lora``."""
    from lycoris import LycorisNetwork, create_lycoris

    model = copy.deepcopy(parts["denoiser"]).requires_grad_(False)
    wanted = ["*attn1*", "*.ff.*", "*conv1"]
    LycorisNetwork.apply_preset({"target_module": [], "target_name": wanted, "use_fnmatch": True})
    network = create_lycoris(model, 1.0, linear_dim=4, linear_alpha=2.0, algo=algo, **settings)
    network.apply_to()
    filled(network)
    network.save_weights(str(path), None, None)
    network.restore()
    before = {name: module.weight.detach().clone() for name, module in weighted(model).items()}
    network.merge_to(1.0)
    after = weighted(model)
    changed = {n: after[n].weight.detach() - w for n, w in before.items() if not after[n].weight.equal(w)}
    return path, {f"denoiser.{name}": delta for name, delta in changed.items()}


def weighted(model: nn.Module) -> Mapping[str, Any]:
    return {name: module for name, module in model.named_modules() if getattr(module, "weight", None) is not None}


def factors(
    parts: Parts,
    *,
    rank: int = 4,
    alpha: float = 1.0,
    chosen: Callable[[str], bool] = lambda key: key.endswith(("to_q", "conv1")),
) -> tuple[dict[str, dict[str, Tensor]], Deltas]:
    """Random factors for some modules, and :math:`\\alpha / r \\cdot BA` by plain matrix products.

    Returns:
        Module key -> ``down`` and ``up``; module key -> change of its weight.
    """
    import torch

    generator = torch.Generator().manual_seed(3)
    tensors, deltas = {}, {}
    for key, (out, *rest) in parts.module_shapes().items():
        if chosen(key):
            down = torch.randn(rank, *rest, generator=generator)
            up = torch.randn(out, rank, *[1] * (len(rest) - 1), generator=generator)
            tensors[key] = {"down": down, "up": up}
            product = up.reshape(out, rank) @ down.reshape(rank, -1)
            deltas[key] = (alpha / rank * product).reshape(out, *rest)
    return tensors, deltas

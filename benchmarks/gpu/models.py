"""Base models of full size with random weights, made on the spot; only their encoders are tiny, and aren't used."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lora_workbench.engine.core.resources import ASSETS
from lora_workbench.engine.models.contract import Backbone, Conditioning
from lora_workbench.engine.models.layers import layer_shapes
from lora_workbench.engine.models.lengths import with_length
from lora_workbench.engine.models.presets import target_presets
from lora_workbench.engine.models.registry import load_base

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))


def _sdxl() -> Any:
    from diffusers import UNet2DConditionModel

    config: Any = UNet2DConditionModel.load_config(ASSETS / "sdxl_config" / "unet")
    unet: Any = UNet2DConditionModel.from_config(config)
    return unet.to(memory_format=torch.channels_last)


def _z_image() -> Any:
    from diffusers import ZImageTransformer2DModel

    return ZImageTransformer2DModel()


def _flux2_klein() -> Any:
    from diffusers import Flux2Transformer2DModel

    return Flux2Transformer2DModel(
        num_layers=5, num_single_layers=20, num_attention_heads=24, joint_attention_dim=7680, guidance_embeds=False
    )


@dataclass(frozen=True, kw_only=True)
class Size:
    """A base model of full size."""

    title: str
    make: Callable[[], Any]
    place: str
    """Attribute of the backbone that the denoiser is in."""
    latents: tuple[int, int]
    """Channels of the latents, and pixels that a latent is wide."""
    states: tuple[int, int]
    """Tokens of a prompt, and their width."""
    pooled: int = 0


SIZES = {
    "sdxl": Size(title="SDXL", make=_sdxl, place="_unet", latents=(4, 8), states=(77, 2048), pooled=1280),
    "z-image": Size(title="Z-Image", make=_z_image, place="_transformer", latents=(16, 8), states=(64, 2560)),
    "flux2": Size(
        title="FLUX.2 klein 4B", make=_flux2_klein, place="_transformer", latents=(128, 16), states=(512, 7680)
    ),
}
"""Family -> its size."""


def made(family: str, device: str, side: int) -> tuple[Backbone, torch.Tensor, Conditioning]:
    """A base model with latents and conditioning of batch 1; on a CPU a tiny one, for pictures of 32 px.

    Args:
        family: a key of ``SIZES``.
        device: ``cuda`` or ``cpu``.
        side: of the picture, in pixels.
    """
    from tiny import TINY

    size = SIZES[family]
    with tempfile.TemporaryDirectory() as folder:
        base = load_base(TINY[family](Path(folder)), device=device, precision="fp32" if device == "cpu" else "bf16")
        if device == "cpu":
            small = base.info.resolution // base.info.latent_factor
            return base, torch.randn(1, base.info.latent_channels, small, small), base.encode_prompts(["a bus"])
    torch.set_default_dtype(torch.bfloat16)
    with torch.device(device):
        denoiser = size.make().eval().requires_grad_(False)
    torch.set_default_dtype(torch.float32)
    for parameter in denoiser.parameters():
        if parameter.ndim > 1:
            parameter.normal_(std=0.02)
    setattr(base, size.place, denoiser)
    base.info = replace(base.info, target_presets=presets(base, denoiser))
    channels, factor = size.latents
    conditioning = Conditioning(states=torch.randn(1, *size.states, device=device))
    if size.pooled:
        conditioning["pooled"] = torch.randn(1, size.pooled, device=device)
    latents = torch.randn(1, channels, side // factor, side // factor, device=device)
    # UNets would get a mask for prompts that are longer than what the tiny text encoder reads at once.
    return base, latents, conditioning if size.pooled else with_length(conditioning)


def presets(base: Backbone, denoiser: Any) -> Mapping[str, tuple[str, ...]]:
    """The target presets of a base model with this denoiser; transformers' name each layer."""
    own = base.info.target_presets
    if not any(key.startswith("denoiser.") for key in own["attention"]):
        return own
    shapes = layer_shapes({"denoiser": denoiser})
    return target_presets(key.removeprefix("denoiser.") for key, shape in shapes.items() if len(shape) > 1)

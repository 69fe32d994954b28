"""What there is to know of ComfyUI's model families beyond what its classes say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from ...engine.models.contract import GenerationDefaults
from .names import Names
from .seam import BaseModel


class Family(NamedTuple):
    """A family of base models."""

    name: str
    architecture: str
    """As ``modelspec.architecture`` names it, without ``/lora``."""
    resolution: int
    """Side of the pictures that it was trained on, in pixels."""
    steps: int = 25
    """Sampling steps to start from."""
    guidance: float = 7.0
    """Classifier-free guidance scale to start from; 1.0 for models that are sampled without."""
    distilled_guidance: float | None = None
    """Guidance to start from, where the model takes it as an input in place of classifier-free guidance."""

    @property
    def generation(self) -> GenerationDefaults:
        """What it generates well with."""
        return GenerationDefaults(steps=self.steps, guidance=self.distilled_guidance or self.guidance)


_FAMILIES = {
    "DemoConfig": Family("sd1", "stable-diffusion-v1", 64, guidance=3.0),
    "SD15": Family("sd1", "stable-diffusion-v1", 512),
    "SD20": Family("sd2", "stable-diffusion-v2-512", 512),
    "SDXLRefiner": Family("sdxl-refiner", "stable-diffusion-xl-v1-refiner", 1024, guidance=5.0),
    "SDXL": Family("sdxl", "stable-diffusion-xl-v1-base", 1024, steps=30, guidance=5.0),
    "SD3": Family("sd3", "stable-diffusion-3", 1024, steps=28, guidance=4.5),
    "FluxSchnell": Family("flux1", "flux-1-schnell", 1024, steps=4, guidance=1.0),
    "Flux": Family("flux1", "flux-1-dev", 1024, steps=28, guidance=1.0, distilled_guidance=3.5),
    "Flux2": Family("flux2", "flux-2", 1024, steps=28, guidance=1.0, distilled_guidance=4.0),
    "QwenImage": Family("qwen-image", "qwen-image", 1328, steps=30, guidance=4.0),
    "ZImage": Family("z-image", "z-image", 1024, steps=9, guidance=1.0),
    "Lumina2": Family("lumina2", "lumina-2", 1024, steps=30, guidance=4.0),
}
"""By the name of ComfyUI's configuration class, or of the nearest class that it inherits from. Steps and guidance are
those that the makers of a family show it with."""
_V_PREDICTION_SD2 = Family("sd2", "stable-diffusion-v2-768-v", 768)

_IN_BLOCK = r"\.\d+\.(?:.*\.)?"
_MODULATION = re.compile(r"norm|mod(ulation)?(\.|_|$)|adaln", re.IGNORECASE)
_ATTENTION = re.compile(rf"{_IN_BLOCK}\w*(?:attn|attention)\w*\.|{_IN_BLOCK}linear[12]$", re.IGNORECASE)
_FEED_FORWARD = re.compile(rf"{_IN_BLOCK}\w*(?:ff|ffn|mlp|feed_forward)\w*\.", re.IGNORECASE)

TEXT_TARGETS: Mapping[str, tuple[str, ...]] = {
    "attention": ("q_proj", "k_proj", "v_proj", "out_proj"),
    "attention_and_feed_forward": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
    "all_layers": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
}
"""Preset name -> ends of the paths of the layers to adapt in CLIP text encoders."""


def family_of(model: BaseModel, prediction_type: str) -> Family:
    """The family of a model with this prediction type; one that isn't known has the name of ComfyUI's class for it."""
    names = [cls.__name__ for cls in type(model.model_config).__mro__]
    known = next((_FAMILIES[name] for name in names if name in _FAMILIES), None)
    if known is None:
        return Family(names[0].lower(), names[0].lower(), 1024)
    return _V_PREDICTION_SD2 if known.name == "sd2" and prediction_type == "v_prediction" else known


def target_presets(names: Names) -> Mapping[str, tuple[str, ...]]:
    """Preset name -> module keys of the layers to adapt.

    ``attention`` are the projections of the attention layers inside the blocks; in FLUX's single blocks they share a
    layer with the feed-forward part. Layers that modulate or normalize are in ``all_layers`` only.
    """
    inner = [path for path in names.layers if not _MODULATION.search(path)]
    attention = [path for path in inner if _ATTENTION.search(path)]
    feed_forward = [path for path in inner if _FEED_FORWARD.search(path) and path not in attention]
    presets = {
        "attention": attention,
        "attention_and_feed_forward": attention + feed_forward,
        "all_layers": names.layers,
    }
    return {preset: tuple(f"denoiser.{path}" for path in paths) for preset, paths in presets.items()}

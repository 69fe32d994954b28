"""What there is to know of ComfyUI's model families beyond what its classes say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...engine.models.families import flux1, flux2, lumina2, qwen_image, sd1, sd2, sd3, sdxl, z_image
from ...engine.models.presets import target_presets
from ...engine.models.traits import GenerationDefaults, Traits
from .names import Names
from .seam import BaseModel

_TRAITS: Mapping[str, Traits] = {
    "DemoConfig": replace(sd1.TRAITS, resolution=64, generation=GenerationDefaults(guidance=3.0)),
    "SD15": sd1.TRAITS,
    "SD20": sd2.TRAITS,
    "SDXLRefiner": replace(
        sdxl.TRAITS, name="sdxl-refiner", title="SDXL Refiner", architecture="stable-diffusion-xl-v1-refiner"
    ),
    "SDXL": sdxl.TRAITS,
    "SD3": sd3.TRAITS,
    "FluxSchnell": flux1.SCHNELL,
    "Flux": flux1.DEV,
    "Flux2": flux2.TRAITS,
    "QwenImage": qwen_image.TRAITS,
    "ZImage": z_image.TURBO,
    "Lumina2": lumina2.TRAITS,
}
"""By the name of ComfyUI's configuration class, or of the nearest class that it inherits from."""

TEXT_TARGETS: Mapping[str, tuple[str, ...]] = {
    "attention": ("q_proj", "k_proj", "v_proj", "out_proj"),
    "attention_and_feed_forward": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
    "all_layers": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
}
"""Preset name -> ends of the paths of the layers to adapt in CLIP text encoders."""


def traits_of(model: BaseModel, names: Names, prediction_type: str) -> Traits:
    """Those of a model with this prediction type; a family that isn't known has the name of ComfyUI's class for it."""
    classes = [cls.__name__ for cls in type(model.model_config).__mro__]
    known = next((_TRAITS[name] for name in classes if name in _TRAITS), None)
    if known is None:
        own = classes[0].lower()
        return Traits(name=own, title=classes[0], architecture=own, resolution=1024, key_style=names.style)
    return sd2.V_PREDICTION if known.name == "sd2" and prediction_type == "v_prediction" else known


def presets_of(names: Names) -> Mapping[str, tuple[str, ...]]:
    """Preset -> paths of the layers to adapt."""
    return target_presets(names.layers)

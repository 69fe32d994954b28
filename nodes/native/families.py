"""What there is to know of ComfyUI's model families beyond what its classes say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...engine.models.families import (
    anima,
    chroma,
    ernie_image,
    flux1,
    flux2,
    hidream,
    ideogram4,
    krea2,
    ltx_video,
    lumina2,
    qwen_image,
    qwen_image_edit,
    sd1,
    sd2,
    sd3,
    sdxl,
    wan,
    z_image,
)
from ...engine.models.presets import target_presets
from ...engine.models.traits import GenerationDefaults, Traits
from .names import Names
from .seam import BaseModel, ModelConfig

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
    "Chroma": chroma.TRAITS,
    "QwenImage": qwen_image.TRAITS,
    "ZImage": z_image.TURBO,
    "Lumina2": lumina2.TRAITS,
    "Krea2": krea2.TRAITS,
    "Anima": anima.TRAITS,
    "Ideogram4": ideogram4.TRAITS,
    "WAN21_T2V": wan.TRAITS,
    "LTXV": ltx_video.TRAITS,
    "HiDream": hidream.TRAITS,
    "ErnieImage": ernie_image.TRAITS,
}
"""By the name of ComfyUI's configuration class, or of the nearest class that it inherits from."""
COMFY_CLASSES = frozenset(traits.name for traits in _TRAITS.values())
"""Names of the families that ComfyUI's models are known to belong to."""

_VIDEO_WITH_MORE = "it takes another film, a picture, sound or poses besides the prompt"
_SOUND, _SHAPES, _LARGER = "it makes sound", "it makes shapes in space", "it makes small pictures larger"
_NO_PICTURES: Mapping[str, str] = {
    "Stable_Cascade_C": "it is one stage of a cascade",
    "SVD_img2vid": "it animates a given picture",
    "Stable_Zero123": "it turns the subject of a given picture",
    "SD_X4Upscaler": _LARGER,
    "SeedVR2": _LARGER,
    "PiD": _LARGER,
    "LotusD": "it measures depth in a given picture",
    "DepthAnything3": "it measures depth in a given picture",
    "RT_DETR_v4": "it finds things in a given picture",
    "SAM3": "it finds things in a given picture",
    "StableAudio": _SOUND,
    "ACEStep": _SOUND,
    "ACEStep15": _SOUND,
    "MiniMaxMusic3": _SOUND,
    "Hunyuan3Dv2": _SHAPES,
    "Trellis2": _SHAPES,
    "TripoSplat": _SHAPES,
    "LTXAV": "it makes films with sound",
    "MiniMaxH3": "it makes films with sound",
    "HiDreamO1": "it reads prompts without a text encoder",
} | dict.fromkeys(
    (
        "WAN21_I2V", "WAN21_FunControl2V", "WAN21_Camera", "WAN22_Camera", "WAN21_Vace", "WAN21_HuMo", "WAN22_S2V",
        "WAN22_Animate", "WAN_Animate2", "WAN21_FlowRVS", "WAN21_SCAIL", "WAN21_SCAIL2", "WAN22_WanDancer",
        "HunyuanVideoI2V", "HunyuanVideoSkyreelsI2V", "CosmosI2V", "CosmosI2VPredict2",
    ),
    _VIDEO_WITH_MORE,
)  # fmt: skip
"""ComfyUI's configuration class -> what its models do instead of making pictures from prompts."""

TEXT_TARGETS: Mapping[str, tuple[str, ...]] = {
    "attention": ("q_proj", "k_proj", "v_proj", "out_proj"),
    "attention_and_feed_forward": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
    "all_layers": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
}
"""Preset name -> ends of the paths of the layers to adapt in CLIP text encoders."""


def refusal(model: BaseModel) -> str:
    """Why a model can't be trained here; empty if nothing speaks against it."""
    classes = [cls.__name__ for cls in type(model.model_config).__mro__]
    return next((_NO_PICTURES[name] for name in classes if name in _NO_PICTURES), "")


def traits_of(model: BaseModel, names: Names, prediction_type: str) -> Traits:
    """Those of a model with this prediction type; a family that isn't known has the name of ComfyUI's class for it."""
    known = known_traits(model.model_config)
    if known is None:
        title = type(model.model_config).__name__
        own = title.lower()
        return Traits(name=own, title=title, architecture=own, resolution=1024, key_style=names.style)
    return sd2.V_PREDICTION if known.name == "sd2" and prediction_type == "v_prediction" else known


def known_traits(config: ModelConfig) -> Traits | None:
    """Those of the models that ComfyUI describes by a configuration; ``None`` if nothing is known of their family."""
    classes = [cls.__name__ for cls in type(config).__mro__]
    known = next((_TRAITS[name] for name in classes if name in _TRAITS), None)
    if known is flux2.TRAITS:
        return flux2.variant(**config.unet_config)
    if known is qwen_image.TRAITS and config.unet_config.get("default_ref_method") == "index_timestep_zero":
        return qwen_image_edit.EDIT_2511
    return known


def presets_of(names: Names) -> Mapping[str, tuple[str, ...]]:
    """Preset -> module keys of the layers to adapt."""
    return target_presets(names.layers)

"""What is known about a model that ComfyUI has loaded without running it, and whether it can be trained at all."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Literal

from ...engine.core.errors import BaseModelError
from ...engine.models.contract import BackboneInfo
from ...engine.models.declarations import declarations
from .encoders import encoders_of
from .families import TEXT_TARGETS, presets_of, refusal, traits_of
from .identity import content_hash
from .names import Names
from .prediction import patch_of, prediction_type_of, shift_of
from .seam import CLIP, VAE, BaseModel, ModelPatcher
from .shown import sees_pictures

_TOLD_SIZES = ("SDXL", "SDXLRefiner", "HunyuanDiT")
"""ComfyUI's classes of models that are told the size of pictures."""
_EMPTY_MEANS_TEXT = ("HunyuanVideo15", "Kandinsky5")
"""Those whose further channels are empty where a prompt is all that there is."""

ReferenceInput = Literal["", "reference_latents", "concat_latent_image"]
"""What ComfyUI calls the latents of pictures to edit; empty for models that edit none."""


def describe(patcher: ModelPatcher, clip: CLIP, vae: VAE, names: Names, name: str) -> BackboneInfo:
    """The description of a model with its text encoders and autoencoder.

    Args:
        patcher: the model.
        clip: its text encoders.
        vae: its autoencoder.
        names: of the denoiser's layers.
        name: of the model, for people; empty for that of its file.

    Raises:
        BaseModelError: it can't be trained here.
    """
    model = patcher.model
    _refuse_others(model, vae)
    prediction_type = prediction_type_of(patcher)
    traits = traits_of(model, names, prediction_type)
    presets = presets_of(names)
    if not presets["attention"]:
        raise BaseModelError(
            f"No attention layers were found in this model ({type(model).__name__}).",
            expected="a diffusion model with attention layers",
            hint="use another base model.",
        )
    own = declarations(getattr(model.model_config, "declared_in", None), traits.generation)
    return BackboneInfo(
        traits=traits,
        name=name or _file_name(patcher) or type(model).__name__,
        content_hash=content_hash(patcher, clip, vae),
        prediction_type=prediction_type,
        latent_channels=model.latent_format.latent_channels,
        latent_factor=vae.spacial_compression_encode(),
        resolution=traits.resolution,
        shift=shift_of(patcher.get_model_object("model_sampling"), prediction_type),
        patch=patch_of(model.diffusion_model),
        key_style=names.style,
        target_presets=presets,
        text_target_presets=TEXT_TARGETS,
        generation=own.generation,
        recipe=own.recipe,
        recipe_reason=own.reason,
        capabilities=frozenset(_capabilities(model, clip)),
    )


def reference_input(model: BaseModel) -> ReferenceInput:
    """How a model takes pictures to edit."""
    if hasattr(model, "process_ip2p_image_in"):
        return "concat_latent_image"
    denoiser = model.diffusion_model
    call = inspect.signature(getattr(denoiser, "_forward", denoiser.forward))
    # Some classes take references that only a variant has learned: Lumina's with a SigLIP embedder, Krea's with a way
    # to number them.
    learned = all(getattr(denoiser, name, True) is not None for name in ("siglip_embedder", "default_ref_method"))
    return "reference_latents" if learned and "ref_latents" in call.parameters else ""


def _capabilities(model: BaseModel, clip: CLIP) -> set[str]:
    guided = model.model_config.unet_config.get("guidance_embed")
    found = {"guidance_input" if guided else "classifier_free_guidance"}
    if encoders_of(clip.cond_stage_model):
        found.add("text_encoder_training")
    if any(cls.__name__ in _TOLD_SIZES for cls in type(model).__mro__):
        found.add("size_conditioning")
    if reference_input(model):
        found.add("reference_pictures")
    if sees_pictures(model, clip):
        found.add("prompts_see_pictures")
    return found


def _refuse_others(model: BaseModel, vae: VAE) -> None:
    """Refuse models that don't make pictures from prompts alone, and autoencoders of other families.

    Raises:
        BaseModelError: with what the model is.
    """
    if what := refusal(model) or _wants_more(model):
        raise BaseModelError(
            f"This model ({type(model).__name__}) can't be trained here: {what}.",
            expected="a model that makes pictures from prompts",
            hint="use another base model.",
        )
    made, taken = getattr(vae, "latent_channels", 0), model.latent_format.latent_channels
    if made and made != taken:
        raise BaseModelError(
            f"The VAE belongs to another family: its latents have {made} channels, those of the model {taken}.",
            expected="the VAE that the model was trained with",
            hint="load that VAE.",
        )


def _wants_more(model: BaseModel) -> str:
    """What a model takes besides a noisy picture and a prompt, after *the model*; empty if nothing."""
    if model.latent_format.latent_dimensions not in (2, 3):
        return "it makes no pictures"
    if hasattr(model, "process_ip2p_image_in") or any(c.__name__ in _EMPTY_MEANS_TEXT for c in type(model).__mro__):
        return ""
    return "it takes a picture to fill in or to animate, in further channels" if _has_further_channels(model) else ""


def _has_further_channels(model: BaseModel) -> bool:
    import torch

    axes = model.latent_format.latent_dimensions
    noise = torch.zeros(1, model.latent_format.latent_channels, *[1] * (axes - 2), 8, 8)
    if model.concat_keys:
        return True
    try:
        return model.concat_cond(noise=noise, device=noise.device) is not None
    except (AttributeError, KeyError, TypeError, RuntimeError):  # for want of the picture that it takes
        return True


def _file_name(patcher: ModelPatcher) -> str:
    """Name of the checkpoint that a stock loader read, without folder and suffix."""
    init = patcher.cached_patcher_init
    given = init[1][0] if init and init[1] else ""
    return Path(given).stem if isinstance(given, str) else ""

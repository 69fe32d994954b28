"""What ComfyUI has loaded, made ready for training: weights that stay where they are, and the dtype to compute in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from ...engine.core.devices import pick_dtype
from ...engine.core.errors import BaseModelError
from .seam import CLIP, BaseModel, ModelPatcher

if TYPE_CHECKING:
    import torch


def loadable(model: ModelPatcher) -> ModelPatcher:
    """A patcher whose weights stay where they are between forward and backward pass.

    Raises:
        BaseModelError: ComfyUI streams its weights, and doesn't know how to load it in another way.
    """
    if not model.is_dynamic():
        return model
    try:
        return model.clone(disable_dynamic=True)
    except RuntimeError as error:
        raise BaseModelError(
            f"This model's weights are streamed, and it can't be loaded in another way: {error}",
            expected="a model from one of ComfyUI's own loaders, or ComfyUI started with --disable-dynamic-vram",
            hint="load the model with the stock loader, or restart ComfyUI with that option.",
        ) from error


def loadable_clip(clip: CLIP) -> CLIP:
    """The same for text encoders.

    Raises:
        BaseModelError: as for a model.
    """
    patcher = loadable(clip.patcher)
    if patcher is clip.patcher:
        return clip
    kept = clip.clone()
    kept.patcher, kept.cond_stage_model = patcher, cast(Any, patcher.model)
    return kept


def own_dtype(model: BaseModel) -> torch.dtype:
    """dtype of the activations, as ComfyUI chose it."""
    return model.manual_cast_dtype or model.get_dtype()


def compute_dtype(patcher: ModelPatcher, precision: str) -> torch.dtype:
    """dtype of the activations: on the CPU one that it is fast at, elsewhere ComfyUI's choice."""
    import torch

    if precision == "auto" and patcher.load_device.type != "cpu":
        own = own_dtype(patcher.model)
        return own if own.itemsize > 1 else torch.bfloat16  # eight bits store weights; activations need more
    parameters = sum(p.numel() for p in patcher.model.diffusion_model.parameters())
    return pick_dtype(precision, patcher.load_device, parameters)

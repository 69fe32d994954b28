"""A base model of ours as ComfyUI's own MODEL, CLIP and VAE, so that a graph goes on with what it has trained.

No checkpoint is written: ComfyUI's loader gets the tensors that would be in it. It tells a model's sizes by its family,
so models of other sizes can't be handed over, except for the demo base, which has a loader of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ...engine.checkpoints.saving import checkpoint_problem, checkpoint_tensors, other_sizes
from ...engine.core.resources import DEMO_BASE
from ...engine.models.from_parts import PartsBackbone
from .demo import demo_checkpoint
from .seam import CLIP, COMFY, LOADING, VAE, ModelPatcher

if TYPE_CHECKING:
    from torch import Tensor


def handed_over(base: PartsBackbone) -> tuple[Any, Any, Any]:
    """MODEL, CLIP and VAE of a base model, in its dtype; what ComfyUI can't load blocks the nodes that use it."""
    if base.parts.folder == DEMO_BASE:
        return demo_checkpoint(partial(_weights, base))
    if why := _problem(base):
        return (LOADING.ExecutionBlocker(why),) * 3
    return loaded(base)


def loaded(base: PartsBackbone, text_options: Mapping[str, Any] | None = None) -> tuple[ModelPatcher, CLIP, VAE]:
    """The same by ComfyUI's loader of checkpoints.

    Args:
        base: with the sizes of its family.
        text_options: sizes of text encoders that have others, for ComfyUI's classes.
    """
    options = dict(text_options or {})
    model, clip, vae = parts = _loaded(base, options)
    for place, patcher in enumerate((model, clip.patcher, vae.patcher)):
        patcher.cached_patcher_init = (partial(_reloaded, base, options, place), ())
    if base.info.prediction_type == "v_prediction" and not isinstance(model.model.model_sampling, COMFY.V_PREDICTION):
        return _predicting_v(model, base), clip, vae
    return parts


def _problem(base: PartsBackbone) -> str:
    """Why ComfyUI's loader can't load it; empty if it can."""
    why = checkpoint_problem(base) or " ".join(other_sizes(base))
    if not why:
        return ""
    return (
        f"{base.info.name} can't be handed over as MODEL, CLIP and VAE: {why.rstrip('.')}. Use the output base with "
        "Generate, or Save Base Model and load the file."
    )


def _loaded(base: PartsBackbone, options: Mapping[str, Any], **more: Any) -> tuple[ModelPatcher, CLIP, VAE]:
    dtype: Any = str(base.dtype).removeprefix("torch.")
    model, clip, vae, _ = LOADING.load_state_dict_guess_config(
        checkpoint_tensors(base, dtype=dtype), embedding_directory=LOADING.get_folder_paths("embeddings"),
        te_model_options=dict(options), **more,
    )  # fmt: skip
    return model, clip, vae


def _reloaded(base: PartsBackbone, options: Mapping[str, Any], place: int, disable_dynamic: bool = False) -> Any:
    """One of the three anew, as ComfyUI asks for it: for deep clones, and for weights that aren't streamed."""
    model, clip, vae = _loaded(base, options, **({"disable_dynamic": True} if disable_dynamic else {}))
    return (model, clip.patcher, vae.patcher)[place]


def _predicting_v(model: ModelPatcher, base: PartsBackbone) -> ModelPatcher:
    """The model told that it predicts v, which its loader doesn't find out for Stable Diffusion 1.x."""
    zero_snr = bool(base.parts.config("scheduler").get("rescale_betas_zero_snr"))
    kind = type("ModelSampling", (LOADING.ModelSamplingDiscrete, COMFY.V_PREDICTION), {})
    told = model.clone()
    told.add_object_patch("model_sampling", kind(model.model.model_config, zsnr=zero_snr))
    return told


def _weights(base: PartsBackbone, part: str) -> dict[str, Tensor]:
    """The weights of a part by their names in the diffusers folder, in the base model's dtype."""
    module = base.from_files("denoiser" if part == "unet" else part)
    return {name: tensor.detach().to(base.dtype) for name, tensor in module.named_parameters()}

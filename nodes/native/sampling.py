"""Calls of ComfyUI's models: the arguments that it makes of prompts, and its Euler sampler step by step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...engine.adapters.masks import Mask, counts, shares
from .mirror import normal
from .seam import COMFY, BaseModel, Conditionings, ModelPatcher

if TYPE_CHECKING:
    from torch import Tensor

SCHEDULER = "simple"
"""Evenly spaced timesteps from the noisiest on, which works for every family that ComfyUI knows."""


def apply_arguments(model: BaseModel, prompts: Sequence[Conditionings], x: Tensor) -> dict[str, Any]:
    """What ``apply_model`` takes besides latents and noise level, as ComfyUI's samplers make it of each prompt.

    Args:
        model: the loaded model, or its mirror.
        prompts: CONDITIONING of one prompt for each sample, all of equal lengths.
        x: latents, shape (B, …).
    """
    made = []
    for prompt, own in zip(prompts, x.split(1), strict=True):
        [cond] = COMFY.encode_model_conds(model.extra_conds, COMFY.convert_cond(prompt), own, x.device, "positive")
        made.append({name: c.process_cond(batch_size=1, area=None) for name, c in cond["model_conds"].items()})
    return COMFY.cond_cat(made)


@dataclass(frozen=True, kw_only=True)
class Regions:
    """A model, or clones of it that each count in a part of the picture."""

    patchers: Sequence[ModelPatcher]
    """That of the place without a mask, and then one for each mask."""
    masks: Sequence[Mask] = ()

    def parts(self, height: int, width: int) -> Iterator[tuple[ModelPatcher, Tensor | float]]:
        """(model, its share at each place of the latents) of those that count anywhere."""
        if not self.masks:
            yield self.patchers[0], 1.0
            return
        for patcher, share in zip(self.patchers, shares(self.masks, height, width), strict=True):
            if counts(share):
                yield patcher, share.to(patcher.load_device)


def euler(
    current: Callable[[], Regions],
    noise: Tensor,
    prompts: Mapping[str, Conditionings],
    *,
    steps: int,
    guidance: float,
    loaded: BaseModel | None = None,
) -> Iterator[Tensor]:
    """Denoise by Euler steps (Karras et al. 2022, arXiv:2206.00364, alg. 2 without churn), as ComfyUI's ``euler`` does.

    Yields:
        The latents (B, …), float32, after each step.

    Args:
        current: gives the models with their patches, asked before each step; all are clones of one.
        noise: standard normal, (B, …).
        prompts: ``positive`` and, for classifier-free guidance, ``negative``: CONDITIONING for the whole batch.
        steps: denoising steps.
        guidance: classifier-free guidance scale.
        loaded: a mirror of the model to sample with; without one ComfyUI loads the patcher's own model.
    """
    import torch

    patcher = current().patchers[0]
    options = COMFY.create_model_options_clone(patcher.model_options)
    sampling = patcher.get_model_object("model_sampling")
    sigmas = COMFY.calculate_sigmas(sampling, SCHEDULER, steps).to(patcher.load_device)
    given = {kind: COMFY.convert_cond(prompt) for kind, prompt in prompts.items()}

    def prepared() -> tuple[BaseModel, Any]:
        """The model, and what prompts are to it."""
        model, conds = loaded, given
        if model is None:
            model, conds, _ = COMFY.prepare_sampling(patcher, noise.shape, given, options)
        patcher.pre_run()
        return model, conds

    with torch.inference_mode():
        model, conds = prepared()
        noise = noise.to(patcher.load_device, torch.float32)
        empty = torch.zeros_like(noise)
        x = sampling.noise_scaling(sigmas[0], noise, empty, max_denoise=True)
        conds = COMFY.process_conds(model, noise, conds, noise.device, latent_image=empty, seed=0)
    try:
        for sigma, following in itertools.pairwise(sigmas):
            with torch.inference_mode():
                denoised = torch.zeros_like(x)
                for now, share in current().parts(*x.shape[-2:]):
                    if now is not patcher:
                        patcher.cleanup()
                        patcher = now
                        model, _ = prepared()
                    denoised = denoised + share * COMFY.sampling_function(
                        model, x, sigma.expand(len(x)), conds.get("negative"), conds["positive"], guidance, options, 0
                    )
                x = x + (x - denoised) / sigma * (following - sigma)
            yield normal(x)
    finally:
        patcher.cleanup()

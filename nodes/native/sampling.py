"""Calls of ComfyUI's models: the arguments that it makes of prompts, and its Euler sampler step by step."""
# pyright: reportMissingImports=false

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import comfy.model_management
import comfy.model_patcher
import comfy.sampler_helpers
import comfy.samplers

from .mirror import normal

if TYPE_CHECKING:
    from torch import Tensor

SCHEDULER = "simple"
"""Evenly spaced timesteps from the noisiest on, which every family that ComfyUI knows can be drawn with."""


def apply_arguments(model: Any, prompt: list[list[Any]], x: Tensor) -> dict[str, Any]:
    """What ``apply_model`` takes besides latents and noise level, as ComfyUI's samplers make it of a prompt.

    Args:
        model: ComfyUI's ``BaseModel``, or its mirror.
        prompt: CONDITIONING of one entry for the whole batch.
        x: latents, shape (B, …).
    """
    conds = comfy.sampler_helpers.convert_cond(prompt)
    [cond] = comfy.samplers.encode_model_conds(model.extra_conds, conds, x, x.device, "positive")
    made = {name: c.process_cond(batch_size=len(x), area=None) for name, c in cond["model_conds"].items()}
    return comfy.samplers.cond_cat([made])


def euler(
    patcher: Any,
    noise: Tensor,
    prompts: Mapping[str, list[list[Any]]],
    *,
    steps: int,
    guidance: float,
    loaded: Any = None,
) -> Iterator[Tensor]:
    """Denoise by Euler steps (Karras et al. 2022, arXiv:2206.00364, alg. 2 without churn), as ComfyUI's ``euler`` does.

    Yields:
        The latents (B, …), float32, after each step.

    Args:
        patcher: ComfyUI's ``ModelPatcher``.
        noise: standard normal, (B, …).
        prompts: ``positive`` and, for classifier-free guidance, ``negative``: CONDITIONING for the whole batch.
        steps: denoising steps.
        guidance: classifier-free guidance scale.
        loaded: a mirror of the model to draw with; without one ComfyUI loads the patcher's own.
    """
    import torch

    options = comfy.model_patcher.create_model_options_clone(patcher.model_options)
    sampling = patcher.get_model_object("model_sampling")
    sigmas = comfy.samplers.calculate_sigmas(sampling, SCHEDULER, steps).to(patcher.load_device)
    conds = {kind: comfy.sampler_helpers.convert_cond(prompt) for kind, prompt in prompts.items()}
    with torch.inference_mode():
        model = loaded
        if model is None:
            model, conds, _ = comfy.sampler_helpers.prepare_sampling(patcher, noise.shape, conds, options)
        patcher.pre_run()
        noise = noise.to(patcher.load_device, torch.float32)
        empty = torch.zeros_like(noise)
        x = sampling.noise_scaling(sigmas[0], noise, empty, max_denoise=True)
        conds = comfy.samplers.process_conds(model, noise, conds, noise.device, latent_image=empty, seed=0)
    try:
        for sigma, following in itertools.pairwise(sigmas):
            with torch.inference_mode():
                denoised = comfy.samplers.sampling_function(
                    model, x, sigma.expand(len(x)), conds.get("negative"), conds["positive"], guidance, options, 0
                )
                x = x + (x - denoised) / sigma * (following - sigma)
            yield normal(x)
    finally:
        patcher.cleanup()

"""Noise and predictions of ComfyUI's models in the terms of ``engine/diffusion``."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

from ...engine.core.errors import BaseModelError
from ...engine.diffusion.prediction import PredictionType
from ...engine.diffusion.shift import Shift
from ...engine.models.contract import Timesteps
from .seam import COMFY, ModelPatcher, ModelSampling

if TYPE_CHECKING:
    from torch import Tensor, nn

_PATCH_NAMES = ("patch_size", "patch_spatial", "patch")
"""What ComfyUI's transformers call the side of a token."""


def prediction_type_of(patcher: ModelPatcher) -> PredictionType:
    """What a model predicts.

    Args:
        patcher: its ``model_sampling`` says it.

    Raises:
        BaseModelError: it predicts something that can't be trained here.
    """
    sampling = patcher.get_model_object("model_sampling")
    plain = getattr(sampling, "sigma_data", 1.0) == 1.0 and getattr(sampling, "noise_scale", 1.0) == 1.0
    # Some classes inherit from these and mean something else, so what counts is who computes the clean latents.
    denoised = type(sampling).calculate_denoised
    if plain and denoised is COMFY.EPS.calculate_denoised:
        return "epsilon"
    if plain and denoised is COMFY.V_PREDICTION.calculate_denoised:
        return "v_prediction"
    if plain and denoised is COMFY.CONST.calculate_denoised:
        return "flow"
    raise BaseModelError(
        f"This model ({type(patcher.model).__name__}) predicts in a way that can't be trained here.",
        expected="a model that predicts noise, velocity (v) or flow",
        hint="use another base model; distilled, cascaded and image-to-image ones can't take adapters here.",
    )


def shift_of(sampling: ModelSampling, prediction_type: PredictionType) -> Shift:
    """How ComfyUI shifts a flow model's noise levels in sampling: by a factor that is the same for all sizes.

    A MODEL that has been through one of the nodes that set a shift has theirs.
    """
    if prediction_type != "flow":
        return Shift()
    middle = float(sampling.percent_to_sigma(0.5))
    return Shift.fixed(middle / (1 - middle))


def patch_of(denoiser: nn.Module) -> int:
    """Side of the square of latents that is one token; 1 where the model doesn't say it."""
    if hasattr(denoiser, "ae_channels"):  # Ideogram's autoencoder has joined such squares already
        return 1
    found = next((getattr(denoiser, name) for name in _PATCH_NAMES if hasattr(denoiser, name)), 1)
    return int(found[-1] if isinstance(found, (tuple, list)) else found)


def timesteps(sampling: ModelSampling, prediction_type: PredictionType, u: Tensor) -> Timesteps:
    r"""Timesteps of the model for u in [0, 1], shape (B,); ``t`` is ComfyUI's sigma.

    With ``flow`` u is :math:`\sigma`, and :math:`\alpha_t = 1 - \sigma`. With ``epsilon`` and ``v_prediction`` it
    chooses among the model's timesteps, and ComfyUI's :math:`\sigma` is noise over signal:
    :math:`\alpha_t = 1 / \sqrt{1 + \sigma^2}`.
    """
    if prediction_type == "flow":
        sigma = u.float().cpu()
        return Timesteps(t=sigma, alpha=1 - sigma, sigma=sigma)
    table = sampling.sigmas.float().cpu()
    sigma = table[(u.cpu() * len(table)).long().clamp(max=len(table) - 1)]
    alpha = (1 + sigma.square()).rsqrt()
    return Timesteps(t=sigma, alpha=alpha, sigma=sigma * alpha)


def model_input(prediction_type: PredictionType, x_t: Tensor, sigma: Tensor) -> Tensor:
    r"""What ``apply_model`` takes for :math:`x_t = \alpha_t x_0 + \sigma_t \epsilon`: with ``epsilon`` and
    ``v_prediction`` :math:`x_0 + \sigma \epsilon`. Shapes (B, …) and (B,)."""
    if prediction_type == "flow":
        return x_t
    return x_t * (1 + sigma.square()).sqrt().reshape(-1, *[1] * (x_t.ndim - 1))


def raw(sampling: ModelSampling) -> ModelSampling:
    """A ``model_sampling`` that leaves predictions as they are, where ComfyUI turns them into clean latents.

    Turning them back would lose digits at low noise, and the loss is defined on the prediction itself.
    """

    def calculate_denoised(self: ModelSampling, sigma: Tensor, model_output: Tensor, model_input: Tensor) -> Tensor:
        del self, sigma, model_input
        return model_output

    kept = copy.copy(sampling)
    kept.__class__ = type("Raw", (type(sampling),), {"calculate_denoised": calculate_denoised})
    return kept

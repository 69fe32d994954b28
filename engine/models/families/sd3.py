"""Stable Diffusion 3 and 3.5 (Esser et al. 2024, arXiv:2403.03206)."""

from __future__ import annotations

from .. import published
from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="sd3",
    title="Stable Diffusion 3",
    architecture="stable-diffusion-3",
    resolution=1024,
    key_style="transformer",
    published=published.SD3,
    generation=GenerationDefaults(steps=28, guidance=4.5),
)

"""Stable Diffusion 2.x (Stability AI 2022)."""

from __future__ import annotations

from ..traits import Traits

TRAITS = Traits(
    name="sd2",
    title="Stable Diffusion 2.x",
    architecture="stable-diffusion-v2-512",
    resolution=512,
    key_style="kohya",
)
V_PREDICTION = Traits(
    name="sd2",
    title="Stable Diffusion 2.x at 768 px",
    architecture="stable-diffusion-v2-768-v",
    resolution=768,
    key_style="kohya",
)

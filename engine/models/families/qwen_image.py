"""Qwen-Image (Wu et al. 2025, arXiv:2508.02324)."""

from __future__ import annotations

from .. import published
from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="qwen-image",
    title="Qwen-Image",
    architecture="Qwen-Image",
    resolution=1328,
    key_style="transformer",
    published=published.QWEN_IMAGE,
    generation=GenerationDefaults(steps=30, guidance=4.0),
)

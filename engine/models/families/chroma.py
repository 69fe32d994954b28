"""Chroma (lodestones 2025): FLUX.1 schnell without guidance as an input, guided by a negative prompt."""

from __future__ import annotations

from .. import published
from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="chroma",
    title="Chroma",
    architecture="chroma",
    resolution=1024,
    key_style="transformer",
    published=published.CHROMA,
    generation=GenerationDefaults(steps=35, guidance=5.0),
)

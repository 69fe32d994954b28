"""Anima (CircleStone Labs 2026): Cosmos Predict2 with an adapter from Qwen3 to T5 tokens."""

from __future__ import annotations

from .. import published
from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="anima",
    title="Anima",
    architecture="anima-preview",
    resolution=1024,
    key_style="native",
    published=published.ANIMA,
    generation=GenerationDefaults(steps=30, guidance=4.0),
)

"""Ideogram 4 (Ideogram 2026): a single-stream transformer that reads thirteen layers of Qwen3-VL."""

from __future__ import annotations

from .. import published
from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="ideogram4",
    title="Ideogram 4",
    architecture="Ideogram-4",
    resolution=1024,
    key_style="native",
    published=published.IDEOGRAM4,
    generation=GenerationDefaults(steps=48, guidance=4.0),
)

"""Krea 2 (Krea 2026): a single-stream transformer that reads twelve layers of Qwen3-VL."""

from __future__ import annotations

from .. import published
from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="krea2",
    title="Krea 2",
    architecture="Krea-2",
    resolution=1024,
    key_style="transformer",
    published=published.KREA2,
    generation=GenerationDefaults(steps=28, guidance=4.5),
)

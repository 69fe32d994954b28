"""Lumina Image 2.0 (Alpha-VLLM 2025)."""

from __future__ import annotations

from .. import published
from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="lumina2",
    title="Lumina Image 2.0",
    architecture="lumina-2",
    resolution=1024,
    key_style="native",
    published=published.LUMINA2,
    generation=GenerationDefaults(steps=30, guidance=4.0),
    missing="diffusers reads adapters of it only with all layers of all blocks; ComfyUI reads all.",
)

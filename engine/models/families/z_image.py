"""Z-Image (Tongyi Lab 2025)."""

from __future__ import annotations

from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="z-image",
    title="Z-Image",
    architecture="z-image",
    resolution=1024,
    key_style="transformer",
    generation=GenerationDefaults(steps=9, guidance=1.0),
)

"""Z-Image (Tongyi Lab 2025)."""

from __future__ import annotations

from .. import published
from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="z-image",
    title="Z-Image",
    architecture="Z-Image",
    resolution=1024,
    key_style="transformer",
    published=published.Z_IMAGE,
    generation=GenerationDefaults(steps=9, guidance=1.0),
)

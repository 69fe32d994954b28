"""FLUX.2 dev and klein (Black Forest Labs 2025)."""

from __future__ import annotations

from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="flux2",
    title="FLUX.2",
    architecture="flux-2",
    resolution=1024,
    key_style="transformer",
    generation=GenerationDefaults(steps=28, guidance=4.0),
)

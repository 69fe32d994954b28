"""ERNIE-Image (Baidu 2026)."""

from __future__ import annotations

from .. import published
from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="ernie-image",
    title="ERNIE-Image",
    architecture="ERNIE-Image",
    resolution=1024,
    key_style="transformer",
    published=published.ERNIE,
    generation=GenerationDefaults(steps=50, guidance=4.0),
)

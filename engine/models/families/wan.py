"""Wan 2.1 and 2.2 (Wan Team 2025, arXiv:2503.20314), trained here on single frames."""

from __future__ import annotations

from .. import published
from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="wan",
    title="Wan",
    architecture="wan2.1",
    resolution=1024,
    key_style="native",
    published=published.WAN,
    generation=GenerationDefaults(steps=50, guidance=5.0),
    missing="Films: it is trained on pictures, as films of one frame.",
)

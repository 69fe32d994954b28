"""HiDream-I1 (Cai et al. 2025, arXiv:2505.22705)."""

from __future__ import annotations

from .. import published
from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="hidream",
    title="HiDream-I1",
    architecture="hidream-i1",
    resolution=1024,
    key_style="transformer",
    published=published.HIDREAM,
    generation=GenerationDefaults(steps=50, guidance=5.0),
)

"""FLUX.2 dev and klein (Black Forest Labs 2025)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .. import published
from ..traits import GenerationDefaults, Traits

TRAITS = Traits(
    name="flux2",
    title="FLUX.2 dev",
    architecture="Flux.2-dev",
    resolution=1024,
    key_style="transformer",
    published=published.FLUX2,
    generation=GenerationDefaults(steps=50, guidance=4.0),
)
KLEIN_4B = replace(TRAITS, title="FLUX.2 klein 4B", architecture="Flux.2-klein-4b")
KLEIN_9B = replace(TRAITS, title="FLUX.2 klein 9B", architecture="Flux.2-klein-9b")
_KLEIN_9B_WIDTH = 4096


def variant(*, guidance_embed: bool, hidden_size: int, **others: Any) -> Traits:
    """The variant of a transformer: dev takes its guidance as an input, klein has two sizes and none.

    Args:
        guidance_embed: whether guidance is an input.
        hidden_size: width of its tokens.
        others: what else its configuration says.
    """
    del others
    if guidance_embed:
        return TRAITS
    return KLEIN_9B if hidden_size >= _KLEIN_9B_WIDTH else KLEIN_4B

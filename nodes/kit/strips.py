"""Strips: an adapter at several weights, as a labeled picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..host import host
from .pictures import to_tensor

if TYPE_CHECKING:
    from torch import Tensor

    from ...engine.adapters.adapter import Adapter
    from ...engine.adapters.stack import Stack
    from ...engine.models.contract import Backbone


def labeled_strip(
    base: Backbone,
    adapter: Adapter,
    prompts: Sequence[str],
    weights: Sequence[float],
    seed: int,
    context: Stack | None = None,
) -> Tensor:
    """An IMAGE with one picture: a row for each prompt, a column for each weight.

    ``context`` is on at every weight, as part of the base model.
    """
    from ...engine.figures.grid import Label, labeled_grid
    from ...engine.generation.batch import GenerationRequest
    from ...engine.generation.strips import strip

    usual = base.info.generation
    request = GenerationRequest(prompts=tuple(prompts), seeds=(seed,), steps=usual.steps, guidance=usual.guidance)
    columns = host().drive(strip(base, request, adapter, weights, context))
    without = "the context alone" if context and context.active() else "base model"
    return to_tensor(
        [
            labeled_grid(
                [Label(prompt, f"seed {seed}") for prompt in prompts],
                [Label(f"{weight:+g}", "") if weight else Label("0", without) for weight in weights],
                [[generated.image for generated in row] for row in zip(*columns, strict=True)],
                title=adapter.name,
            )
        ]
    )

"""The suggested recipe of a slider."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .recipe import Recipe

if TYPE_CHECKING:
    from ..models.contract import BackboneInfo

_OWN: dict[str, Any] = {
    "steps": 500, "rank": 8, "alpha": 4.0, "learning_rate": 2e-4, "targets": "attention", "batch_size": 1,
    "warmup_steps": 0, "schedule": "constant",
}  # fmt: skip
"""As in ai-toolkit's example of a slider, which has these values for Stable Diffusion 1.5."""
_KEPT = {"steps", "rank", "alpha", "schedule", "train_text_encoder", "caption_dropout"}
"""What suits a slider whatever the base model wants for other adapters: it learns a single direction, between prompts
that are never dropped."""


def suggest_slider(base: BackboneInfo) -> Recipe:
    """A recipe, with the reason for its values. What is published for the family, and what the base model declares,
    replaces the rest of them: rates, noise levels, batches.
    """
    declared = base.traits.published.values("subject") | dict(base.recipe)
    wanted = {name: value for name, value in declared.items() if name not in _KEPT}
    recipe = Recipe.of(**({"resolution": base.resolution} | _OWN | wanted))
    adapter = recipe.adapter
    reason = (
        f"A slider learns a single direction: {recipe.schedule.steps} steps with learning rate "
        f"{recipe.optimizer.learning_rate:g}, rank {adapter.rank} and alpha {adapter.alpha:g}, which scales the update "
        f"by {adapter.alpha / adapter.rank:g}. The text encoder stays as it is."
    )
    return replace(recipe, reason=reason)

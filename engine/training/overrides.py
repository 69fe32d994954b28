"""Settings chosen by hand in place of suggested ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from ..core.fields import build
from .recipe import Recipe


def overridden(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with some settings changed; its reason names them.

    A rank without an alpha takes alpha along in proportion, so that the learning rate keeps its meaning.

    Args:
        recipe: a suggestion, left as it is.
        changes: name of a recipe's field -> value.

    Raises:
        ConfigError: with one line for each setting that isn't known or can't be used.
    """
    if not changes:
        return recipe
    values = dict(changes)
    if values.get("rank", 0) > 0:
        values.setdefault("alpha", values["rank"] * recipe.alpha / recipe.rank)
    told = ", ".join(f"{name} {_shown(value)}" for name, value in values.items())
    reason = f"{recipe.reason} Chosen by hand: {told}.".strip()
    return build(Recipe, {**asdict(recipe), **values, "reason": reason}, where="recipe")


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return f"({len(value)})" if isinstance(value, tuple) else str(value)

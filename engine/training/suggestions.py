"""Recipes suggested for a data set, a base model and a goal, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, get_args

from ..core.errors import ConfigError
from ..core.fields import settings_of
from ..data.goals import USUAL, Goal
from ..models.contract import BackboneInfo
from .recipe import GROUPS, Recipe

Quality = Literal["draft", "standard", "thorough"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)
_STEPS: Mapping[Quality, float] = {"draft": 0.5, "standard": 1.0, "thorough": 1.5}


def suggest(goal: Goal, pictures: int, base: BackboneInfo, quality: Quality = "standard") -> Recipe:
    """A recipe, with the reason in words.

    Args:
        goal: what the adapter should teach.
        pictures: number of pictures in the data set.
        base: the base model; settings that it declares itself take precedence.
        quality: how long to train: half, all or one and a half times the usual steps.

    Raises:
        ConfigError: the goal or the quality isn't known, or there is no picture.
    """
    if goal not in USUAL or quality not in _STEPS or pictures < 1:
        raise ConfigError(
            f"No recipe for goal {goal!r} and quality {quality!r} with {pictures} pictures.",
            expected=f"goal {', '.join(USUAL)}; quality {', '.join(QUALITIES)}; at least one picture",
            hint="choose a goal and a quality, and connect a data set.",
        )
    general = _for(goal, pictures)
    recipe = general.changed(**base.recipe) if base.recipe else general
    steps = max(1, int(round(recipe.schedule.steps * _STEPS[quality], -1)))
    recipe = recipe.changed(steps=steps, resolution=recipe.batches.resolution or base.resolution)
    return replace(recipe, reason=" ".join([_count(goal, pictures), _why(recipe, base, pictures, quality)]))


def _for(goal: Goal, pictures: int) -> Recipe:
    """A style needs more capacity than a subject, and fewer views of each of its more numerous pictures."""
    rank = 32 if goal == "style" else 16
    return Recipe.of(
        steps=round(min(2000, max(600, pictures * (15 if goal == "style" else 60))), -1),
        rank=rank,
        alpha=float(rank),
        targets="attention_and_feed_forward" if goal == "style" else "attention",
    )


def _count(goal: Goal, pictures: int) -> str:
    fewest, most = USUAL[goal]
    told = f"{pictures} pictures of a {goal}; {fewest} to {most} are usual."
    if pictures < fewest:
        told += " So few are soon memorized: check samples early, and add pictures if you can."
    return told


def _why(recipe: Recipe, base: BackboneInfo, pictures: int, quality: Quality) -> str:
    steps = recipe.schedule.steps
    views = steps * recipe.batches.batch_size * recipe.batches.gradient_accumulation / pictures
    told = (
        f"{steps} steps at {recipe.optimizer.learning_rate:g} and rank {recipe.adapter.rank}: about {views:.0f} views "
        f"of each picture."
    )
    if quality != "standard":
        told += f" Quality {quality}: {_STEPS[quality]:g} times the usual steps."
    return f"{told} {base.recipe_reason}".strip()


def with_changes(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with some settings chosen by hand; the reason names those that differ.

    Raises:
        ConfigError: with one line for each setting that isn't known or can't be used.
    """
    before = recipe.flat()
    changed = recipe.changed(**changes)
    told = changed_settings(before, changed.flat())
    reason = f"{recipe.reason} Chosen by hand: {', '.join(told)}.".strip() if told else recipe.reason
    return replace(changed, reason=reason)


def changed_settings(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Each setting that differs, for example ``rank 8 (was 16)``."""
    return [
        f"{name} {_shown(value)} (was {_shown(before[name])})" for name, value in after.items() if value != before[name]
    ]


def recipe_table(recipe: Recipe) -> str:
    """Every setting of a recipe, one group after the other."""
    lines = []
    for group, cls in GROUPS.items():
        own = getattr(recipe, group)
        lines += [cls.title, *(f"  {name} = {_shown(getattr(own, name))}" for name in settings_of(cls))]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) if value and not isinstance(value[0], str) else f"({len(value)})"
    return str(value)

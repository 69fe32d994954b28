"""Suggested recipes for a goal, a data set and a base model, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from ..core.errors import ConfigError
from ..core.fields import settings_of
from ..data.goals import USUAL, Goal
from .recipe import GROUPS, Recipe

if TYPE_CHECKING:
    from ..models.contract import BackboneInfo

Quality = Literal["draft", "standard", "thorough"]
QUALITIES: tuple[Quality, ...] = get_args(Quality)
_STEPS: Mapping[Quality, float] = {"draft": 0.5, "standard": 1.0, "thorough": 1.5}


def suggest(goal: Goal, pictures: int, base: BackboneInfo, quality: Quality = "standard") -> Recipe:
    """A recipe, with the reason for its values.

    Args:
        goal: what the adapter should learn.
        pictures: number of pictures in the data set.
        base: the base model; settings that it declares take precedence.
        quality: how long to train: 0.5, 1 or 1.5 times the usual steps.

    Raises:
        ConfigError: the goal or the quality is unknown, or the data set is empty.
    """
    if goal not in USUAL or quality not in _STEPS or pictures < 1:
        raise ConfigError(
            f"There is no recipe for the goal {goal!r}, the quality {quality!r} and {pictures} pictures.",
            expected=f"a goal ({', '.join(USUAL)}), a quality ({', '.join(QUALITIES)}) and at least one picture",
            hint="choose a goal and a quality, and connect a data set with pictures.",
        )
    # A style needs more capacity than a subject, and fewer views of each of its more numerous pictures.
    rank, views = (32, 15) if goal == "style" else (16, 60)
    recipe = Recipe.of(
        steps=round(min(2000, max(600, pictures * views)), -1),
        rank=rank,
        alpha=float(rank),
        targets="attention_and_feed_forward" if goal == "style" else "attention",
    ).changed(**base.recipe)
    steps = max(1, round(recipe.schedule.steps * _STEPS[quality]))
    recipe = recipe.changed(steps=steps, resolution=recipe.batches.resolution or base.resolution)
    return replace(recipe, reason=f"{_count(goal, pictures)} {_why(recipe, base, pictures, quality)}")


def _count(goal: Goal, pictures: int) -> str:
    fewest, most = USUAL[goal]
    told = f"{pictures} pictures of a {goal}; usually there are {fewest} to {most}."
    if pictures < fewest:
        told += " So few are quickly memorized: check samples early, and add pictures if you can."
    return told


def _why(recipe: Recipe, base: BackboneInfo, pictures: int, quality: Quality) -> str:
    steps = recipe.schedule.steps
    views = steps * recipe.batches.batch_size * recipe.batches.gradient_accumulation / pictures
    told = (
        f"{steps} steps with learning rate {recipe.optimizer.learning_rate:g} and rank {recipe.adapter.rank}; "
        f"each picture is seen about {views:.0f} times."
    )
    if quality != "standard":
        told += f" The quality {quality} trains for {_STEPS[quality]:g} times the usual steps."
    return f"{told} {base.recipe_reason}".strip()


def with_changes(recipe: Recipe, changes: Mapping[str, Any]) -> Recipe:
    """The recipe with some settings changed by hand; the reason lists those that differ.

    Raises:
        ConfigError: with one line for each setting that is unknown or invalid.
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
    """Every setting of a recipe as text, by group."""
    lines = []
    for group, cls in GROUPS.items():
        own = getattr(recipe, group)
        lines += [cls.title, *(f"  {name} = {_shown(getattr(own, name))}" for name in settings_of(cls))]
    return "\n".join(lines)


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        separator = " | " if value and isinstance(value[0], str) else ", "
        return separator.join(map(str, value)) or "none"
    return str(value)

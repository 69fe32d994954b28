"""Suggested recipes for a goal, a data set and a base model, each with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..core.errors import ConfigError
from ..core.fields import settings_of
from ..core.words import counted
from ..data.goals import USUAL, Goal
from ..models.published import GENERAL, Sourced
from .quality import QUALITIES, STEPS, Quality
from .recipe import GROUPS, Recipe

if TYPE_CHECKING:
    from ..models.contract import BackboneInfo


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
    if goal not in USUAL or quality not in STEPS or pictures < 1:
        raise ConfigError(
            f"There is no recipe for the goal {goal!r}, the quality {quality!r} and {pictures} pictures.",
            expected=f"a goal ({', '.join(USUAL)}), a quality ({', '.join(QUALITIES)}) and at least one picture",
            hint="choose a goal and a quality, and connect a data set with pictures.",
        )
    recipe = Recipe.of(**{"steps": suggested_length(goal, pictures)} | suggested_values(goal, base))
    steps = max(1, round(recipe.schedule.steps * STEPS[quality]))
    recipe = recipe.changed(steps=steps)
    return replace(recipe, reason=" ".join(_reasons(recipe, goal, pictures, base, quality)))


def suggested_values(goal: str, base: BackboneInfo) -> dict[str, Any]:
    """Settings for a goal, without the number of steps: the general ones, those of the family, and what the base model
    declares, each of which replaces those before it."""
    general = {"resolution": base.resolution} | GENERAL.values(goal)
    return general | base.traits.published.values(goal) | dict(base.recipe)


def sourced_values(goal: str, base: BackboneInfo) -> dict[str, Sourced]:
    """As :func:`suggested_values`, with where each value comes from."""
    declared = {name: Sourced(value, "the base model's own recipe") for name, value in base.recipe.items()}
    general = {"resolution": Sourced(base.resolution, "the base model's own pictures"), **GENERAL.of(goal)}
    return {**general, **base.traits.published.of(goal), **declared}


def suggestions_for(base: BackboneInfo, pictures: int) -> dict[str, list[Sourced]]:
    """Name of a setting -> the values that are suggested for it on this base model, whatever the goal and the quality,
    each with its source, those of a subject first. As in :func:`suggested_values`, what the base model declares takes
    the place of all others.

    Args:
        base: the base model.
        pictures: number of pictures in the data set, on which the number of steps depends.
    """
    found: dict[str, list[Sourced]] = {}
    for goal in USUAL:
        steps = Sourced(suggested_length(goal, pictures), f"the {counted(pictures, 'picture')}")
        for_goal = {"steps": steps, **sourced_values(goal, base)}
        for name, own in for_goal.items():
            found.setdefault(name, []).append(own)
    found["steps"] = [
        Sourced(max(1, round(usual.value * STEPS[quality])), usual.source)
        for quality in ("standard", "draft", "thorough")
        for usual in found["steps"]
    ]
    return {name: [own for at, own in enumerate(values) if own not in values[:at]] for name, values in found.items()}


def suggested_length(goal: Goal, pictures: int) -> int:
    """Steps by the number of pictures; each of a style's more numerous ones is seen less often."""
    return round(min(2000, max(600, pictures * (15 if goal == "style" else 60))), -1)


def _reasons(recipe: Recipe, goal: Goal, pictures: int, base: BackboneInfo, quality: Quality) -> Iterator[str]:
    fewest, most = USUAL[goal]
    yield f"{counted(pictures, 'picture')} of a {goal}; usually there are {fewest} to {most}."
    if pictures < fewest:
        yield "So few are quickly memorized: check samples early, and add pictures if you can."
    adapter, steps = recipe.adapter, recipe.schedule.steps
    views = steps * recipe.batches.batch_size * recipe.batches.gradient_accumulation / pictures
    yield (
        f"{steps} steps with learning rate {recipe.optimizer.learning_rate:g}, rank {adapter.rank} and alpha "
        f"{adapter.alpha:g} (scale {adapter.alpha / adapter.rank:.3g}); each picture is seen about {views:.0f} times."
    )
    if quality != "standard":
        yield f"The quality {quality} trains for {STEPS[quality]:g} times the usual steps."
    published = base.traits.published
    if told := _sources({name: own for name, own in published.of(goal).items() if name not in base.recipe}):
        yield f"For {base.traits.title}: {told}."
    yield from filter(None, (published.advice, base.recipe_reason))


def _sources(settings: Mapping[str, Sourced]) -> str:
    """Settings by who published them: ``learning_rate 0.0001 from ai-toolkit's example``."""
    by_source: dict[str, list[str]] = {}
    for name, own in settings.items():
        by_source.setdefault(own.source, []).append(f"{name} {_shown(own.value)}")
    return "; ".join(f"{', '.join(values)} from {source}" for source, values in by_source.items())


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

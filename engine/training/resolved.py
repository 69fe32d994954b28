"""What a recipe will be before it runs: each setting's value and where it comes from, as far as that is known."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from ..core.errors import ConfigError
from ..core.fields import Setting, defaults_of, settings_of
from ..core.words import counted
from ..diffusion.prediction import PredictionType
from ..diffusion.shift import Line, Shift
from ..models.contract import CAPABILITIES, BackboneInfo
from ..models.published import GENERAL, Sourced
from .levels import levels_with_shift
from .quality import STEPS
from .recipe import GROUP_OF, GROUPS, Recipe, contradictions, in_full, problems_with
from .settings import Circumstances
from .suggestions import suggested_length

POINTS = 64
"""Of the curve of the learning rate."""
BINS = 48
"""Of the density of the noise levels."""
_SHARES = 4096
BY_BASE = "depends on the base model"
BY_DATASET = "depends on the data set"
CHOSEN = "chosen by hand"
DEFAULT = "default"
_SUGGESTED_BY_BASE = frozenset(
    {*GENERAL.settings, "targets", "resolution", "timestep_distribution", "noise_shift", "shift_factor"}
    | {"sigma_min", "sigma_max"}
    | {"caption_dropout", "reference_dropout", "training_guidance"}
)
"""Settings that families suggest, of which nothing is known without the base model."""
_NOISE = ("timestep_distribution", "noise_shift", "shift_factor", "sigma_min", "sigma_max")


@dataclass(frozen=True, kw_only=True)
class Known:
    """What is known of a run's data set and base model, from the last time that the recipe was made."""

    pictures: int = 0
    """0 where it isn't known."""
    base: str = ""
    """For people; empty where nothing is known of it."""
    flow: bool | None = None
    capabilities: frozenset[str] = frozenset(CAPABILITIES)
    suggested: Mapping[str, Mapping[str, Sourced]] = field(default_factory=dict)
    """Goal -> the values for this base model, without the number of steps."""
    shift: Shift = field(default_factory=Shift)
    tokens: float = 0


@dataclass(frozen=True)
class Resolved:
    """What there is to tell of a recipe's settings."""

    values: dict[str, Sourced]
    """With ``None`` as the value of those that aren't known yet."""
    problems: list[str]
    unused: dict[str, str]
    """Setting -> when it has no effect, as is so here."""
    recipe: Recipe | None
    """With the usual values for what isn't known; ``None`` where there are problems."""


def resolve(goal: str, quality: str, chosen: Mapping[str, Any], known: Known) -> Resolved:
    """The values that settings will have.

    Args:
        goal: what the adapter should learn.
        quality: a name in :data:`STEPS`.
        chosen: settings by hand, each valid by itself.
        known: of the data set and the base model.
    """
    values = _suggested(goal, quality, known)
    given = in_full(chosen)
    values |= {name: Sourced(value, CHOSEN) for name, value in given.items()}
    full = GENERAL.values(goal) | {name: own.value for name, own in values.items() if own.value is not None}
    recipe, problems = _made(full)
    unused = dict(_unused(recipe, known)) if recipe else {}
    return Resolved(values, problems, unused, recipe)


def learning_rates(resolved: Resolved) -> dict[str, Any] | None:
    """The schedule at :data:`POINTS` steps as shares of the peak, with the peak (``None`` where it isn't known) and the
    number of steps; ``None`` where that isn't known."""
    recipe, values = resolved.recipe, resolved.values
    if recipe is None or values["steps"].value is None or recipe.schedule.epochs:
        return None
    last = recipe.schedule.steps - 1
    shares = [recipe.schedule.factor(round(last * at / (POINTS - 1))) for at in range(POINTS)]
    searched = recipe.optimizer.rate_search != "none"
    return {
        "shares": [round(share, 4) for share in shares],
        "peak": None if searched else values["learning_rate"].value,
        "steps": recipe.schedule.steps,
    }


def noise_levels(resolved: Resolved, known: Known) -> dict[str, Any] | None:
    """How dense the trained noise levels lie between ``edges``; ``None`` where that isn't known."""
    import torch

    recipe = resolved.recipe
    if recipe is None or known.flow is None or any(resolved.values[name].value is None for name in _NOISE):
        return None
    levels = levels_with_shift(recipe.noise, known.shift if known.flow else None)
    shares = (torch.arange(_SHARES, dtype=torch.float64) + 0.5) / _SHARES
    placed = levels.quantiles(shares, tokens=max(1.0, known.tokens))
    counts = torch.histc(placed, bins=BINS, min=0, max=1)
    edges = [round(at / BINS, 4) for at in range(BINS + 1)]
    return {"edges": edges, "density": [round(count * BINS / _SHARES, 4) for count in counts.tolist()]}


def by_setting(problems: list[str]) -> list[dict[str, str]]:
    """Problems by the settings that they name; an empty name where they name none."""
    told = []
    for problem in problems:
        names = [name for name in re.findall(r"\w+", problem.partition(":")[0]) if name in GROUP_OF]
        told += [{"setting": name, "message": problem} for name in names or [""]]
    return told


def known_of(info: BackboneInfo, pictures: int, tokens: float) -> dict[str, Any]:
    """Plain values that :func:`read_known` reads."""
    from ..data.goals import USUAL
    from .suggestions import sourced_values

    suggested = {goal: {name: list(own) for name, own in sourced_values(goal, info).items()} for goal in USUAL}
    return {
        "pictures": pictures,
        "base": info.name or info.traits.title,
        "flow": info.prediction_type == "flow",
        "capabilities": sorted(info.capabilities),
        "suggested": suggested,
        "shift": [list(line) for line in info.shift.lines],
        "tokens": tokens,
    }


def read_known(told: Any) -> Known:
    """What a page tells of the last run; nothing is known where it isn't of the right form."""
    try:
        suggested = {
            goal: {name: Sourced(value, str(source)) for name, (value, source) in own.items()}
            for goal, own in told["suggested"].items()
        }
        values = [{name: value.value for name, value in own.items()} for own in suggested.values()]
        tokens, pictures = float(told["tokens"]), int(told["pictures"])
        if any(map(problems_with, values)) or not math.isfinite(tokens) or not 0 < pictures < 10**9:
            return Known()
        return Known(
            pictures=pictures,
            base=str(told["base"]),
            flow=bool(told["flow"]),
            capabilities=frozenset(map(str, told["capabilities"])),
            suggested=suggested,
            shift=Shift(lines=tuple(Line(*map(float, line)) for line in told["shift"])),
            tokens=tokens,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return Known()


def _suggested(goal: str, quality: str, known: Known) -> dict[str, Sourced]:
    """Every setting without those chosen by hand."""
    values = {name: Sourced(default, DEFAULT) for cls in GROUPS.values() for name, default in defaults_of(cls).items()}
    if known.base:
        values |= {
            name: own._replace(source=f"{own.source}, for {known.base}")
            for name, own in known.suggested.get(goal, {}).items()
        }
    else:
        values |= {name: Sourced(None, BY_BASE) for name in _SUGGESTED_BY_BASE}
    steps = Sourced(None, BY_DATASET)
    if known.pictures:
        length = max(1, round(suggested_length(goal, known.pictures) * STEPS[quality]))  # type: ignore[arg-type, index]
        steps = Sourced(length, f"{counted(known.pictures, 'picture')}, goal {goal}, quality {quality}")
    return values | {"steps": steps}


def _made(values: Mapping[str, Any]) -> tuple[Recipe | None, list[str]]:
    """A recipe, or every contradiction in it."""
    try:
        recipe = Recipe.of(**values)
    except ConfigError as error:
        return None, [line.strip() for line in error.got.split("\n")[1:]]
    return recipe, contradictions(recipe)


def _unused(recipe: Recipe, known: Known) -> Iterator[tuple[str, str]]:
    """Settings without effect in every circumstance that may be."""
    may_be = [*_circumstances(recipe, known)]
    for cls in GROUPS.values():
        for name, declared in settings_of(cls).items():
            if declared.used and not any(map(declared.used, may_be)):
                yield name, no_effect(declared)


def no_effect(declared: Setting) -> str:
    """When a setting has none, as a sentence."""
    return f"No effect {declared.unused}."


def _circumstances(recipe: Recipe, known: Known) -> Iterator[Circumstances]:
    kinds = [kind for kind in get_args(PredictionType) if known.flow is None or (kind == "flow") == known.flow]
    for kind in kinds:
        yield Circumstances(
            recipe=recipe,
            has_prior=True,
            all_cropped=False,
            prediction_type=kind,
            capabilities=known.capabilities,
            drops_references="reference_guidance" in known.capabilities,
            has_masks=True,
        )

"""What companions do in a run: whether it can have them, what to know of them, and the values that it starts from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ..adapters.frozen import cannot_carry
from ..adapters.fused import Places, places
from ..adapters.inject import Injection
from ..adapters.stack import FAR_OFF, Stack, StackEntry
from ..adapters.starting import Factors, begun_with, layer_factors, other_layers, refuse_higher_ranks
from ..core.errors import AdapterError
from ..core.words import counted, first_of
from ..training.sizes import usual_size
from ..training.targets import targets_of

if TYPE_CHECKING:
    from .key import Run


def check_companions(run: Run) -> None:
    """Refuse companions that can't be used with this base model and recipe.

    Raises:
        AdapterError: one doesn't fit the base model, or only partly; it changes norms; or training can't start from it.
    """
    known = run.base.module_shapes()
    modules = [key for entry in run.bound_companions.while_training.entries for key in entry.adapter.modules]
    if norms := [key for key in modules if len(known[key]) == 1]:
        raise cannot_carry(norms)
    if start := run.bound_companions.start_from:
        _refuse_own_start(run, start)
        _factors(run, start)


def _refuse_own_start(run: Run, start: StackEntry) -> None:
    settings, usual = run.recipe.adapter, {"kind": "lora", "init": "zero", "rank_patterns": ""}
    if others := [
        f"{name} = {getattr(settings, name)}" for name, own in usual.items() if getattr(settings, name) != own
    ]:
        raise AdapterError(
            f"Training can't start from {start.adapter.name} with {', '.join(others)}.",
            expected="the kind lora with its usual first values and one rank",
            hint="reset these settings, or give the companion the role context.",
        )


def begin_with_companion(run: Run, injection: Injection) -> None:
    """Give the adapter in training the values of the companion that the run starts from, if there is one."""
    if start := run.bound_companions.start_from:
        settings = run.recipe.adapter
        factors = _factors(run, start)
        rank, alpha = usual_size(settings)
        injection.load(begun_with(injection.parameters, factors, rank=rank, alpha=alpha))


def companion_notes(run: Run, given: Stack | None) -> Iterator[str]:
    """What a person should know of the companions before the first step, one sentence each.

    Args:
        run: with the companions that have an effect.
        given: all that were given.
    """
    for entry in given.entries if given else ():
        if not entry.active:
            yield f"The companion {entry.adapter.name} isn't used: its weight is 0, or it is disabled."
    yield from _repeated(run)
    info = run.base.info
    for entry in run.companions.entries:
        adapter, weight = entry.adapter, entry.weight
        if weight < 0 or weight > FAR_OFF:
            what = "reverses what it does" if weight < 0 else f"is beyond {FAR_OFF:g}"
            yield f"The weight {weight:g} of the companion {adapter.name} {what}; companions are made for 1."
        if adapter.family not in ("", info.family, info.architecture):
            yield f"The companion {adapter.name} was made for {adapter.family}; this base model is {info.family}."
    for entry in run.companions.context.entries:
        yield (
            f"The adapter is trained in the context of {entry.adapter.name} with weight {entry.weight:g}: use them "
            "together."
        )
    if start := run.bound_companions.start_from:
        yield from _start_notes(run, start)


def trained_layers(run: Run) -> Places:
    """Layer key -> its modules in adapter files, for all layers that the run trains."""
    base, found = run.base, dict(places(run.base))
    found |= {key: base.file_parts(key) for key in base.module_shapes() if not key.startswith("denoiser.")}
    targets = targets_of(base, run.recipe.adapter)
    endings = {component: tuple(f".{suffix}" for suffix in suffixes) for component, suffixes in targets.items()}
    return {key: parts for key, parts in found.items() if f".{key}".endswith(endings.get(key.split(".", 1)[0], ()))}


def _factors(run: Run, start: StackEntry) -> dict[str, Factors]:
    rows = {key: shape[0] for key, shape in run.base.module_shapes().items()}
    factors = layer_factors(start.adapter, trained_layers(run), rows, start.weight_for)
    if not factors:
        raise AdapterError(
            f"Training can't start from {start.adapter.name}: none of its layers are trained by this recipe.",
            expected=f"a recipe that trains layers such as {first_of([*start.adapter.modules], 2)}",
            hint="choose other targets in the recipe.",
        )
    refuse_higher_ranks(start.adapter, factors, run.recipe.adapter.rank)
    return factors


def _start_notes(run: Run, start: StackEntry) -> Iterator[str]:
    layers, name = trained_layers(run), start.adapter.name
    others = other_layers(start.adapter, layers)
    text = [key for key in others if not key.startswith("denoiser.")]
    if text and not run.recipe.adapter.train_text_encoder:
        yield f"The text-encoder part of {name} is left out: the recipe doesn't train the text encoder."
        others = [key for key in others if key not in text]
    if others:
        yield (
            f"{counted(len(others), 'module')} of {name} are outside the recipe's targets and left out: "
            f"{first_of(others, 3)}."
        )
    factors = _factors(run, start)
    if new := [key for key in layers if key not in factors]:
        yield f"{counted(len(new), 'layer')} that {name} lacks begin as usual: {first_of(new, 3)}."
    rank, highest = run.recipe.adapter.rank, max(len(down) for down, _ in factors.values())
    if highest < rank:
        yield f"{name} fills {highest} of the {rank} ranks; the others begin as usual, without an effect."


def _repeated(run: Run) -> Iterator[str]:
    seen: dict[str, str] = {}
    for entry in run.companions.entries:
        if earlier := seen.get(entry.adapter.content_hash):
            yield f"The companion {entry.adapter.name} is there twice, as {earlier} and as {entry.role}; both count."
        seen.setdefault(entry.adapter.content_hash, entry.role)

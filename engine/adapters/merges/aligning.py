"""The updates of several adapters, module by module, after making sure that they belong together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from ...core.errors import AdapterError
from ...core.words import first_of
from ..adapter import Adapter
from ..binding import HasComponents
from ..fused import bind_to
from ..kinds import Update
from ..metadata import families_of
from ..names import KeyStyle, flat
from ..stack import Stack, StackEntry

_LDM = ("input_blocks", "middle_block", "output_blocks", "double_blocks", "single_blocks")
_DIFFUSERS = ("down_blocks", "mid_block", "up_blocks", "transformer_blocks", "single_transformer_blocks")
"""How paths of a denoiser begin in the code that it was published in, and in diffusers."""


@dataclass(frozen=True)
class Contribution:
    """What one adapter does to a module."""

    entry: StackEntry
    update: Update
    weight: float

    @property
    def name(self) -> str:
        """Of the adapter."""
        return self.entry.adapter.name


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """A stack, module by module."""

    modules: Mapping[str, Sequence[Contribution]] = field(repr=False)
    """Module key -> what changes it, in the order of the stack; those of weight 0 are left out."""
    family: str
    key_style: KeyStyle
    bound: bool
    """As of an adapter with these module keys."""


def aligned(stack: Stack, base: HasComponents | None) -> Aligned:
    """The active adapters of a stack, module by module.

    Modules are the same if their flat names are. Without a base model, names of one layer in different programs can't
    be told to be the same.

    Raises:
        AdapterError: there is none, they are of different families, or name the layers differently.
    """
    entries = list(stack.active())
    if not entries:
        raise AdapterError(
            "There is nothing to merge: the stack has no adapter that is on and has a weight.",
            expected="a stack with one or more adapters",
            hint="add adapters with Stack Adapters, and turn them on.",
        )
    stack.refuse_varying("a file")
    refuse_other_families([entry.adapter for entry in entries])
    adapters = [bind_to(base, entry.adapter) if base else entry.adapter for entry in entries]
    if base is None:
        _refuse_other_names(adapters)
    names = _names(adapters)
    modules: dict[str, list[Contribution]] = {}
    for entry, adapter in zip(entries, adapters, strict=True):
        for key, update in adapter.modules.items():
            known = names[flat(key)]
            if weight := entry.weight_for(known):
                modules.setdefault(known, []).append(Contribution(entry, update, weight))
    _refuse_other_sizes(modules)
    return Aligned(
        modules=modules,
        family=next((adapter.family for adapter in adapters if adapter.family), ""),
        key_style=_style(adapters),
        bound=all(adapter.bound for adapter in adapters),
    )


def _names(adapters: Iterable[Adapter]) -> dict[str, str]:
    """Flat name -> module key, with the dots of its path if any adapter has them."""
    found: dict[str, str] = {}
    for adapter in adapters:
        for key in adapter.modules:
            if key.count(".") > found.get(flat(key), "").count("."):
                found[flat(key)] = key
    return found


def _style(adapters: Sequence[Adapter]) -> KeyStyle:
    """The first one's, unless others have lost the dots that it needs."""
    first = adapters[0].key_style
    return first if all(adapter.bound or adapter.key_style == first for adapter in adapters) else "kohya"


def refuse_other_families(adapters: Sequence[Adapter]) -> None:
    """Refuse adapters that say that they are for different families.

    Raises:
        AdapterError: naming two of them.
    """
    for one, other in combinations(adapters, 2):
        own, others = (families_of(adapter.family, adapter.metadata) for adapter in (one, other))
        if own and others and not own & others:
            raise AdapterError(
                f"{one.name} is for {one.family or min(own)}, and {other.name} for {other.family or min(others)}.",
                expected="adapters for one family of base models",
                hint="merge adapters of one family only; no base model can use the others with them.",
            )


def _refuse_other_names(adapters: Sequence[Adapter]) -> None:
    """Refuse adapters that name a denoiser's layers by different code, which only a base model can translate."""
    spoken = {adapter.name: told for adapter in adapters if (told := _naming(adapter))}
    if len(set(spoken.values())) < 2:
        return
    one = next(iter(spoken))
    other = next(name for name, told in spoken.items() if told != spoken[one])
    raise AdapterError(
        f"{one} names layers as {spoken[one]} does, and {other} as {spoken[other]} does: without their base model, it "
        "can't be told which are the same.",
        expected="the base model, or adapters with names of one kind",
        hint="connect the base model, or name it with --base.",
    )


def _naming(adapter: Adapter) -> str:
    """Whose names its denoiser's modules have; empty if that doesn't show."""
    paths = [key.removeprefix("denoiser.") for key in adapter.modules if key.startswith("denoiser.")]
    for told, begins in (("the model's original code", _LDM), ("diffusers", _DIFFUSERS)):
        if any(path.startswith(begins) for path in paths):
            return told
    return ""


def _refuse_other_sizes(modules: Mapping[str, Sequence[Contribution]]) -> None:
    wrong = []
    for key, parts in modules.items():
        shaped = [part for part in parts if not part.update.only_bias and part.update.additive]
        wrong += [
            f"{key} has shape {part.update.made_for} in {part.name}, and {shaped[0].update.made_for} in "
            f"{shaped[0].name}"
            for part in shaped[1:]
            if not _same_shape(part.update, shaped[0].update)
        ]
    if wrong:
        raise AdapterError(
            f"The adapters were made for base models of different sizes: {first_of(wrong, 2, '; ')}.",
            expected="adapters for one family of base models",
            hint="merge adapters that were trained on the same base model, or on models of one family.",
        )


def _same_shape(one: Update, other: Update) -> bool:
    return one.fits(other.weight_shape) or other.fits(one.weight_shape)

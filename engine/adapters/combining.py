r"""Ways of combining adapters. Each takes a stack and gives one whose plain sum is the combination.

*Making way* is NP-LoRA's soft projection (arXiv:2511.11051): with orthonormal directions :math:`V` that the protected
adapters answer to, every other change becomes

.. math:: \Delta W (I - s V V^T), \quad s = \frac{\mu}{1 + \mu},

the minimum of :math:`\|X - \Delta W\|_F^2 + \mu \|X V\|_F^2`. A strength s of 1 is the hard projection into the null
space, and 0 the plain sum. Ranks stay as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..core.errors import AdapterError
from ..core.words import counted
from .adapter import Adapter
from .binding import HasComponents
from .fused import bind_to
from .interference import Factors, interference
from .kinds import LowRank, Update
from .names import flat
from .stack import Stack, StackEntry

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Combined:
    """A combination of adapters."""

    stack: Stack
    notes: tuple[str, ...] = ()
    """What couldn't be combined, one sentence each."""


def with_total(stack: Stack, total: float) -> Stack:
    """The stack with all weights scaled by one factor, so that absolute denoiser weights add up to a total.

    Raises:
        AdapterError: no adapter of the stack has a denoiser weight.
    """
    now = stack.total_weight()
    if not now:
        raise AdapterError(
            "No adapter of the stack has a weight, so they can't be scaled to a total.",
            expected="at least one enabled adapter with a weight other than 0",
            hint="set a weight in the stack.",
        )
    return scaled(stack, total / now)


def with_effective_total(stack: Stack, total: float, base: HasComponents | None = None) -> Stack:
    """The stack with all weights scaled by one factor, so that its changes amount to so many adapters at weight 1.

    Args:
        stack: at least one adapter with an effect.
        total: see ``Interference.effective_total``.
        base: see ``interference``.

    Raises:
        AdapterError: the stack changes nothing.
    """
    now = interference(stack, base, overlaps=False).effective_total
    if not now:
        raise AdapterError(
            "The adapters of the stack change nothing together, so they can't be scaled.",
            expected="at least one enabled adapter with a weight other than 0, and not its opposite beside it",
            hint="set a weight in the stack.",
        )
    return scaled(stack, total / now)


def scaled(stack: Stack, factor: float) -> Stack:
    """The stack with all weights multiplied."""
    return Stack(
        tuple(
            replace(entry, weight=entry.weight * factor, text_encoder_weight=entry.text_encoder_weight * factor)
            for entry in stack.entries
        )
    )


def making_way(
    stack: Stack, protected: Collection[str] = (), *, strength: float = 1.0, base: HasComponents | None = None
) -> Combined:
    """The stack in which the other adapters leave out what the protected ones answer to.

    Args:
        stack: two or more adapters with an effect.
        protected: names of adapters that stay as they are; none for the last one of the stack.
        strength: 0 for the plain sum, 1 for the whole projection.
        base: the base model, which knows that files have several names for a layer.

    Raises:
        AdapterError: a name isn't in the stack, or nobody is left to make way.
    """
    active = stack.active()
    names = set(protected) or {active[-1].adapter.name if active else ""}
    _check_names(names, active)
    bound = [
        replace(entry, adapter=bind_to(base, entry.adapter)) if base and entry.active else entry
        for entry in stack.entries
    ]
    directions = _Directions(entry for entry in bound if entry.active and entry.adapter.name in names)
    notes: list[str] = []
    changed = []
    for entry in bound:
        if entry.active and entry.adapter.name not in names:
            adapter, left = _projected(entry.adapter, directions, strength)
            changed.append(replace(entry, adapter=adapter))
            notes += left
        else:
            changed.append(entry)
    return Combined(Stack(tuple(changed)), tuple(notes))


def _check_names(names: Collection[str], active: Iterable[StackEntry]) -> None:
    known = [entry.adapter.name for entry in active]
    unknown = sorted(set(names) - {*known})
    if unknown or not set(known) - set(names):
        raise AdapterError(
            f"The stack has no adapter named {', '.join(unknown)}." if any(unknown)
            else "No adapter is left that could make way.",
            expected=f"some of the stack's adapters, which are {', '.join(known) or 'none'}, but not all",
            hint="name those to protect, for example the style; the others make way for them.",
        )  # fmt: skip


class _Directions:
    """The directions that protected adapters answer to, by layer."""

    def __init__(self, entries: Iterable[StackEntry]) -> None:
        self._updates: dict[str, list[Update]] = {}
        for entry in entries:
            for key, update in entry.adapter.modules.items():
                if entry.weight_for(key) and update.additive and not update.only_bias and len(update.weight_shape) > 1:
                    self._updates.setdefault(flat(key), []).append(update)

    def of(self, key: str) -> Tensor | None:
        """Orthonormal, (in, k); ``None`` where none of them changes the layer."""
        import torch

        found = [Factors.of(update, 1.0, None).inputs for update in self._updates.get(flat(key), [])]
        if len(found) <= 1:
            return found[0] if found else None
        return torch.linalg.svd(torch.cat(found, dim=1), full_matrices=False).U


def _projected(adapter: Adapter, directions: _Directions, strength: float) -> tuple[Adapter, list[str]]:
    """An adapter without its part along some directions, and what of it had to stay as it is."""
    modules: dict[str, Update] = {}
    others: set[str] = set()
    for key, update in adapter.modules.items():
        modules[key] = update
        along = directions.of(key)
        if along is None or update.only_bias:
            continue
        if isinstance(update, LowRank):
            modules[key] = replace(update, down=_without(update.down, along, strength))
        else:
            others.add(key)
    return replace(adapter, modules=modules, path=None), _left(adapter, others)


def _without(down: Tensor, along: Tensor, strength: float) -> Tensor:
    """Rows of a factor A, (r, in) or (r, in, kh, kw), without their part along directions, (in · kh · kw, k)."""
    rows = down.detach().float().flatten(1)
    along = along.to(rows.device)
    return (rows - strength * (rows @ along) @ along.T).reshape(down.shape)


def _left(adapter: Adapter, keys: set[str]) -> list[str]:
    if not keys:
        return []
    kinds = " and ".join(sorted({adapter.modules[key].kind for key in keys}))
    layers = f"{counted(len(keys), 'layer')} of kind {kinds}"
    return [f"{adapter.name} has {layers}, which can't make way and stay as they are; turn it into a plain LoRA first."]

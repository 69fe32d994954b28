"""An adapter's values as the first values of another one that is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from ..core.errors import AdapterError
from .adapter import Adapter
from .fused import Places
from .kinds import LowRank
from .kinds.summing import whole

if TYPE_CHECKING:
    from torch import Tensor

Factors = tuple["Tensor", "Tensor"]
"""Down (r, in · kh · kw) and up (out, r), with a scale of 1."""


def layer_factors(
    adapter: Adapter, layers: Places, rows: Mapping[str, int], weight: Callable[[str], float]
) -> dict[str, Factors]:
    """Layer key -> the adapter's factors for it, with the weight multiplied in; layers that it lacks are left out.

    Args:
        adapter: bound to the base model.
        layers: those to be trained.
        rows: module key -> rows of its weight.
        weight: of a module of the adapter.

    Raises:
        AdapterError: the adapter isn't plain LoRA.
    """
    refuse_other_kinds(adapter)
    found = {}
    for key, parts in layers.items():
        pieces = [(at, _low_rank(adapter, part)) for part, at in parts if part in adapter.modules]
        if pieces:
            down, up = whole(pieces, sum(rows[part] for part, _ in parts))
            found[key] = down, up * weight(key)
    return found


def refuse_other_kinds(adapter: Adapter) -> None:
    """Refuse an adapter that isn't LoRA without biases, the only kind whose values LoRA can begin with.

    Raises:
        AdapterError: as said.
    """
    others = {update.kind for update in adapter.modules.values() if not isinstance(update, LowRank)}
    biases = any(update.bias is not None for update in adapter.modules.values())
    if others or biases:
        raise AdapterError(
            f"Training can't start from {adapter.name}: it has {' and '.join(sorted(others)) or 'changes of biases'}.",
            expected="a LoRA without changes of biases",
            hint="give it the role context, so that it is part of the base model while training and in pictures.",
        )


def refuse_higher_ranks(adapter: Adapter, factors: Mapping[str, Factors], rank: int) -> None:
    """Refuse factors that don't fit into the rank that is trained.

    Raises:
        AdapterError: as said, with the rank that would do.
    """
    highest = max((len(down) for down, _ in factors.values()), default=0)
    if highest > rank:
        raise AdapterError(
            f"Training can't start from {adapter.name}: it needs rank {highest}, and the recipe has {rank}.",
            expected=f"a rank of {highest} or more",
            hint=f"set rank = {highest} in the recipe, and alpha in proportion.",
        )


def begun_with(
    usual: Mapping[str, Tensor], factors: Mapping[str, Factors], *, rank: int, alpha: float
) -> dict[str, Tensor]:
    """First values of an adapter's parameters that make it equal to these factors.

    The rest of the rank begins as usual: random in down and zero in up, so that it changes nothing yet.

    Args:
        usual: ``<layer key>.down`` and ``.up`` -> first values without the factors, scaled by alpha / rank in use.
        factors: by layer key, of at most this rank.
        rank: of the adapter.
        alpha: of the adapter.
    """
    import torch

    values = dict(usual)
    for key, (down, up) in factors.items():
        first_down, first_up = usual[f"{key}.down"].detach().clone(), torch.zeros_like(usual[f"{key}.up"])
        first_down.flatten(1)[: len(down)] = down.to(first_down.device)
        first_up.flatten(1)[:, : len(down)] = (up * (rank / alpha)).to(first_up.device)
        values |= {f"{key}.down": first_down, f"{key}.up": first_up}
    return values


def _low_rank(adapter: Adapter, part: str) -> LowRank:
    update = adapter.modules[part]
    assert isinstance(update, LowRank)
    return update


def other_layers(adapter: Adapter, layers: Places) -> Sequence[str]:
    """Modules of the adapter that no layer to be trained has."""
    trained = {part for parts in layers.values() for part, _ in parts}
    return [key for key in adapter.modules if key not in trained]

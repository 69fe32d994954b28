r"""What becomes of several changes of one tensor: their sum, thinned out or freed of conflicts first.

- *magnitude*: each keeps its largest values alone.
- *TIES* (Yadav et al. 2023, arXiv:2306.01708): trim, elect sign, disjoint mean.
- *DARE* (Yu et al. 2023, arXiv:2311.03099): drop values at random, and rescale the rest.

A change here is :math:`\tau_i = w_i \Delta W_i`, with the adapter's weight in the stack multiplied in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from ...core.seeds import derived_seed

if TYPE_CHECKING:
    from torch import Tensor

Name = Literal["exact", "svd", "ties", "dare", "dare_ties", "magnitude"]
Setting = Literal["rank", "energy", "density", "drop", "seed"]
Labels: TypeAlias = Sequence[str]
"""What tells the changes apart for the random choice: one a change."""


@dataclass(frozen=True, kw_only=True)
class Thinning:
    """How changes are thinned out; see :data:`METHODS` for who uses what."""

    density: float = 0.5
    """Share of a change's values that stay, above 0 and at most 1."""
    drop: float = 0.5
    """Probability that a value is dropped, from 0 to below 1."""
    seed: int = 0


@dataclass(frozen=True)
class Method:
    """A way to merge."""

    told: str
    """In words."""
    uses: tuple[Setting, ...]
    combine: Callable[[Sequence[Tensor], Labels, Thinning], Tensor] | None = None
    """(changes of one shape, their labels, thinning) -> one change; ``None`` for the plain sum."""


def trimmed(change: Tensor, density: float) -> Tensor:
    """The change with only its largest values by magnitude, the rest zero; a share of ``density``, at least one."""
    import torch

    if density >= 1:
        return change
    flat = change.flatten()
    kept = flat.abs().topk(max(1, round(density * flat.numel()))).indices
    return torch.zeros_like(flat).index_copy_(0, kept, flat[kept]).reshape(change.shape)


def elected(changes: Sequence[Tensor]) -> Tensor:
    r"""The disjoint mean: at each place the mean of the values that have the elected sign and aren't zero.

    The elected sign is that of the larger total magnitude, :math:`\operatorname{sgn} \sum_i \tau_i` (the paper's
    algorithm 1); where the sum is zero, the result is.
    """
    import torch

    stacked = torch.stack(list(changes))
    sign = stacked.sum(0).sign()
    agreeing = stacked * ((stacked.sign() == sign) & (sign != 0))
    return agreeing.sum(0) / (agreeing != 0).sum(0).clamp(min=1)


def dropped(change: Tensor, drop: float, seed: int) -> Tensor:
    """The change with each value dropped with a probability, and the others divided by the probability that they stay.

    The expected value is the change itself (the paper's eq. 1). The choice depends on the seed and the shape alone, and
    is made on the CPU, so that all devices make the same.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    stays = torch.rand(change.shape, generator=generator) >= drop
    return change * stays.to(change.device) / (1 - drop)


def _magnitude(changes: Sequence[Tensor], labels: Labels, how: Thinning) -> Tensor:
    del labels
    return _sum([trimmed(change, how.density) for change in changes])


def _ties(changes: Sequence[Tensor], labels: Labels, how: Thinning) -> Tensor:
    del labels
    return elected([trimmed(change, how.density) for change in changes])


def _dare(changes: Sequence[Tensor], labels: Labels, how: Thinning) -> Tensor:
    return _sum(_thinned(changes, labels, how))


def _dare_ties(changes: Sequence[Tensor], labels: Labels, how: Thinning) -> Tensor:
    return elected(_thinned(changes, labels, how))


def _thinned(changes: Sequence[Tensor], labels: Labels, how: Thinning) -> list[Tensor]:
    seeds = (derived_seed("dare", how.seed, label) for label in labels)
    return [dropped(change, how.drop, seed) for change, seed in zip(changes, seeds, strict=True)]


def _sum(changes: Sequence[Tensor]) -> Tensor:
    return sum(changes[1:], changes[0])


METHODS: Mapping[Name, Method] = {
    "exact": Method("their sum, exactly", ()),
    "svd": Method("their sum, as near as the rank allows", ("rank", "energy")),
    "ties": Method("TIES: trimmed, and of one sign at each place", ("density", "rank", "energy"), _ties),
    "dare": Method("DARE: values dropped at random, the rest rescaled", ("drop", "seed", "rank", "energy"), _dare),
    "dare_ties": Method("DARE, then TIES' signs and mean", ("drop", "seed", "rank", "energy"), _dare_ties),
    "magnitude": Method("the largest values of each", ("density", "rank", "energy"), _magnitude),
}
"""Name of a method -> what it does."""

r"""An adapter out of two base models: the difference of their weights, as near as a LoRA of some rank comes to it.

By singular values :math:`\Delta W = U S V^T`; the first r of them are the nearest matrix of rank r (Eckart & Young
1936), and keep :math:`\sum_{i \le r} s_i^2 / \sum_i s_i^2` of the difference's energy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .block_names import by_level
from .kinds import LowRank
from .kinds.singular import leading_singular

if TYPE_CHECKING:
    from torch import Tensor

_EXACT = 1024
"""Smaller side of a matrix up to which all of its singular values are computed."""
_OVERSAMPLING = 16
"""Further values that are computed for larger ones, so that those that count are exact."""


@dataclass(frozen=True)
class Share:
    """How much of a difference an adapter keeps."""

    kept: float
    """Squared norm of what the adapter has."""
    total: float
    """Squared norm of the difference."""
    rank: int
    """The largest of the layers."""

    @property
    def energy(self) -> float:
        """Between 0 and 1; 1 where nothing differs."""
        return self.kept / self.total if self.total else 1.0

    @property
    def error(self) -> float:
        """Frobenius norm of what is missing over that of the difference, between 0 and 1."""
        return max(0.0, 1 - self.energy) ** 0.5

    def __add__(self, other: Share) -> Share:
        return Share(self.kept + other.kept, self.total + other.total, max(self.rank, other.rank))


@dataclass(frozen=True)
class Wanted:
    """How many ranks each layer gets."""

    rank: int
    """At most, 1 or more."""
    energy: float = 1.0
    """Share of a layer's difference above 0 up to which ranks are added; 1 for all ranks."""
    negligible: float = 0.0
    """Singular values below this share of the largest are left out."""


def low_rank(difference: Tensor, wanted: Wanted, *, seed: int = 0) -> tuple[LowRank, Share]:
    r"""The nearest LoRA to a change of a weight, with alpha equal to its rank.

    Both factors get :math:`\sqrt{S}`, so that neither leaves the range of float16 before the other.

    Args:
        difference: (out, in) or (out, in, kh, kw).
        wanted: its rank.
        seed: of the randomized method.

    Returns:
        The update with the rank that it has, which is less than wanted where the energy, or the layer, needs no more.
    """
    matrix = difference.float().flatten(1)
    u, s, v = _singular(matrix, min(wanted.rank, *matrix.shape), seed)
    total = matrix.square().sum().item()
    rank = cut_off(s, total, wanted)
    u, s, v = u[:, :rank], s[:rank], v[:, :rank]
    out, *inner = difference.shape
    up, down = u * s.sqrt(), (v * s.sqrt()).T
    update = LowRank(
        down=down.reshape(rank, *inner).contiguous(), up=up.reshape(out, rank, *[1] * len(inner[1:])).contiguous(),
        alpha=float(rank),
    )  # fmt: skip
    return update, Share(min(s.square().sum().item(), total), total, rank)


def _singular(matrix: Tensor, rank: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """The largest singular values with their vectors: (out, rank), (rank,), (in, rank)."""
    import torch

    small = min(matrix.shape)
    if small <= _EXACT or rank + _OVERSAMPLING >= small:
        u, s, vh = torch.linalg.svd(matrix, full_matrices=False)
        return u[:, :rank], s[:rank], vh[:rank].T
    u, s, v = leading_singular(matrix, rank + _OVERSAMPLING, seed)
    return u[:, :rank], s[:rank], v[:, :rank]


def cut_off(values: Tensor, total: float, wanted: Wanted) -> int:
    """How many of these singular values to keep, at least 1.

    Args:
        values: from the largest.
        total: sum of the squares of all, also of those that aren't among them.
        wanted: the rule.
    """
    if not values[0]:
        return 1  # nothing changes
    large = int((values >= wanted.negligible * values[0]).sum())
    return min(wanted.rank, _enough(values, total, wanted.energy), large)


def _enough(values: Tensor, total: float, energy: float) -> int:
    """How many of these singular values have this share of the energy, at least 1."""
    if energy >= 1:
        return len(values)
    enough = (values.square().cumsum(0) >= energy * total).nonzero()
    return int(enough[0]) + 1 if len(enough) else len(values)


def by_block(shares: Mapping[str, Share]) -> dict[str, Share]:
    """Level of blocks, such as ``down.1`` -> what is kept of its layers, in the order of the layers.

    Args:
        shares: module key -> what is kept.
    """
    return {block: added(own) for block, own in by_level(shares).items()}


def added(shares: Iterable[Share]) -> Share:
    """Several layers as one."""
    total = Share(0.0, 0.0, 0)
    for share in shares:
        total += share
    return total

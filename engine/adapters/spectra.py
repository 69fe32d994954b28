r"""Norms and singular values of updates, from their factors where these tell.

Of :math:`\Delta W = s B A`, by :math:`B = Q_B R_B` and :math:`A^T = Q_A R_A`, the singular values are those of the
small matrix :math:`s R_B R_A^T`; those of a Kronecker product are the products of its factors' (Horn & Johnson 1991,
theorem 4.2.15). No update is multiplied out unless its kind has no factors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .kinds import Decomposed, Difference, Hadamard, Kronecker, LowRank, Update
from .kinds.lokr import sides
from .kinds.singular import leading_singular

if TYPE_CHECKING:
    from torch import Tensor

_EXACT = 1024
"""Smaller side of a matrix up to which all of its singular values are computed."""
_LEADING = 256
"""Singular values that are computed of larger ones."""


@dataclass(frozen=True)
class Spectrum:
    """The singular values of an update."""

    values: tuple[float, ...]
    """From the largest; of large matrices without factors, only the first."""
    norm: float
    r"""Frobenius norm, :math:`\sqrt{\sum_i s_i^2}`, of all of them."""
    rank: int
    """Of the update, as its kind has it."""

    @property
    def effective_rank(self) -> float:
        r""":math:`\exp H(p)` with :math:`p_i = s_i^2 / \sum_j s_j^2`, 1 to the number of values; 0 of no change.

        The effective rank of Roy & Vetterli (2007), "The effective rank: a measure of effective dimensionality", who
        take :math:`p_i = s_i / \sum_j s_j`; squares are shares of the energy, so that many small values count little.
        """
        shares = self._shares()
        return math.exp(-sum(share * math.log(share) for share in shares if share > 0)) if shares else 0.0

    def enough(self, energy: float) -> int:
        """How many of the largest values have this share of the energy, above 0 and at most 1; 0 of a zero update."""
        total = 0.0
        for count, share in enumerate(self._shares(), 1):
            total += share
            if total >= energy - 1e-9:
                return count
        return len(self._shares())

    def _shares(self) -> list[float]:
        total = sum(value * value for value in self.values)
        return [value * value / total for value in self.values] if total else []


def spectrum(update: Update, weight: Tensor | None = None) -> Spectrum | None:
    """The singular values of an update, at weight 1 in a stack.

    Args:
        update: of any kind.
        weight: of the base model, (out, in, …), for kinds whose change depends on it.

    Returns:
        ``None`` if the update depends on the weight, and there is none.
    """
    import torch

    with torch.no_grad():
        if isinstance(update, Kronecker):
            values = _of_kronecker(update)
        elif (factors := _factors(update)) is not None:
            values = _of_product(*factors)
        elif isinstance(update, Difference):
            return _of_matrix(update.difference, update.rank)
        elif weight is None:
            return None
        else:
            return _of_matrix(update.delta(weight), update.rank)
    return Spectrum(tuple(values.tolist()), float(values.norm()), update.rank)


def without_weight(update: Update) -> Update:
    """The part of an update that doesn't depend on the weight, where there is one: of DoRA, what turns it."""
    return update.turn if isinstance(update, Decomposed) else update


def _factors(update: Update) -> tuple[Tensor, Tensor] | None:
    """(out, r) and (r, in · kh · kw) whose product is the update; ``None`` if its kind has none, or none smaller."""
    if isinstance(update, LowRank):
        scale = update.alpha / update.rank
        return scale * update.up.float().flatten(1), update.down.float().flatten(1)
    if isinstance(update, Hadamard) and update.cores is None and update.rank**2 < min(update.weight_shape):
        a1, b1, a2, b2 = (factor.float() for factor in update.factors)
        # (A1 B1) * (A2 B2) is the product of all products of their columns and rows (Khatri & Rao 1968).
        up, down = (a1[:, :, None] * a2[:, None]).flatten(1), (b1[:, None] * b2[None]).flatten(0, 1)
        return update.alpha / update.rank * up, down
    return None


def _of_product(up: Tensor, down: Tensor) -> Tensor:
    import torch

    if len(down) >= min(len(up), down.shape[1]):  # no smaller than the product
        return torch.linalg.svdvals(up @ down)
    left, right = torch.linalg.qr(up, mode="r").R, torch.linalg.qr(down.T, mode="r").R
    return torch.linalg.svdvals(left @ right.T)


def _of_kronecker(update: Kronecker) -> Tensor:
    import torch

    first, second = (torch.linalg.svdvals(side.float().flatten(1)) for side in sides(update.tensors, "cpu"))
    return (abs(update.alpha / update.rank) * torch.outer(first, second)).flatten().sort(descending=True).values


def _of_matrix(change: Tensor | None, rank: int) -> Spectrum:
    import torch

    if change is None or change.ndim < 2:
        norm = 0.0 if change is None else float(change.float().norm())
        return Spectrum((norm,) if norm else (), norm, rank)
    matrix = change.float().flatten(1)
    small = min(matrix.shape)
    values = torch.linalg.svdvals(matrix) if small <= _EXACT else leading_singular(matrix, _LEADING, seed=0)[1]
    return Spectrum(tuple(values.tolist()), float(matrix.norm()), rank)

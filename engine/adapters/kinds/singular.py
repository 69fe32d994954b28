"""Leading singular values of large matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

_ITERATIONS = 4
"""Of the power method, which sharpen the singular values."""


def leading_singular(matrix: Tensor, count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """By a random projection (Halko et al. 2011, arXiv:0909.4061, algorithms 4.4 and 5.1); the last ones are rough.

    Args:
        matrix: (m, n).
        count: of singular values, at most the smaller side.
        seed: of the projection; torch's own random state stays as it is.

    Returns:
        Vectors (m, count), values (count,) from the largest, and vectors (n, count).
    """
    import torch

    with torch.random.fork_rng(devices=[matrix.device] if matrix.device.type == "cuda" else []):
        torch.manual_seed(seed)
        return torch.svd_lowrank(matrix, q=count, niter=_ITERATIONS)

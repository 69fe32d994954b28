"""Memory that weights are cast into, one after the other, on a CPU.

There fresh memory comes from the system page by page, which takes longer than the cast of a large weight itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class CastRoom:
    """Room for one cast weight: each takes the place of the one before."""

    def __init__(self) -> None:
        self._bytes: Tensor | None = None

    def cast(self, weight: Tensor, dtype: torch.dtype) -> Tensor:
        """The weight in another dtype, until the next call."""
        import torch

        size = weight.numel() * dtype.itemsize
        if self._bytes is None or len(self._bytes) < size:
            self._bytes = None  # first, so that both aren't there at a time
            self._bytes = torch.empty(size, dtype=torch.uint8)
        return self._bytes[:size].view(dtype).view(weight.shape).copy_(weight)

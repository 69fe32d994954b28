r"""Fewer ranks of an adapter at noisier levels: T-LoRA (Soboleva et al. 2025, arXiv:2507.05964).

At noisy levels a model decides on composition, which few pictures teach it to repeat. So the first :math:`r(u)` ranks
of a LoRA are on there, and all of them only at clean ones; u is 0 at clean pictures and 1 at pure noise:

.. math:: r(u) = \lfloor (1 - u)^p (r - r_{min}) \rfloor + r_{min}

The ranks that are on belong to the samples of a prediction. They are a context variable, so that layers find them
however deep they lie, and so that a block that is computed again in the backward pass has those of its first pass.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
_ON: ContextVar[Tensor | None] = ContextVar("ranks that are on", default=None)


def ranks_on(u: Tensor, *, rank: int, least: int, power: float = 1.0) -> Tensor:
    """Which ranks are on at these noise levels: 1 or 0, (B, rank), float32.

    Args:
        u: noise levels from 0, clean, to 1, (B,).
        rank: of the adapter, r.
        least: ranks at pure noise, from 1 to ``rank``.
        power: p, above 0; higher values take ranks away sooner.
    """
    import torch

    on = ((1 - u.float()) ** power * (rank - least)).floor() + least
    return (torch.arange(rank, device=u.device) < on[:, None]).float()


@contextlib.contextmanager
def only_ranks(on: Tensor) -> Iterator[None]:
    """Within the block, samples have only the ranks that are 1 in ``on``, (B, rank)."""
    before = _ON.set(on)
    try:
        yield
    finally:
        _ON.reset(before)


def ranks_now() -> Tensor | None:
    """What :func:`only_ranks` was called with, of the samples that go through the model now; ``None`` outside it."""
    return _ON.get()


def of_each(groups: Iterator[tuple[list[int], T]]) -> Iterator[tuple[list[int], T]]:
    """Groups of the samples of a batch, as (positions, anything); while one is worked on, its ranks are on."""
    whole = _ON.get()
    for members, group in groups:
        if whole is not None:
            _ON.set(whole[members])
        yield members, group
    _ON.set(whole)

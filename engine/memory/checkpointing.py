"""Gradient checkpointing: blocks forget their activations, and compute them again in the backward pass.

Chen et al. 2016, arXiv:1604.06174. It takes one more forward pass of each such block, and changes no bit: the same
operations run on the same values.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Set
from functools import partial
from typing import TYPE_CHECKING, Any

from ..adapters.wrapping import Wrapped

if TYPE_CHECKING:
    from torch import nn


@contextlib.contextmanager
def checkpointed(blocks: Iterable[nn.Module]) -> Iterator[None]:
    """Within the block, these modules keep only their inputs for the backward pass.

    Nothing that they compute with may change between the two passes, adapters' weights among it.
    """
    wrapped = Wrapped()
    for block in blocks:
        wrapped.put(block, _Recomputed(block.forward))
    try:
        yield
    finally:
        wrapped.remove()


class _Recomputed:
    """The ``forward`` of a block that keeps only its inputs."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        self._forward = forward
        self._overwritten: Set[int | str] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        import torch
        from torch.utils.checkpoint import checkpoint

        if not torch.is_grad_enabled():
            return self._forward(*args, **kwargs)
        if self._overwritten is None:
            self._overwritten = overwritten(self._forward, args, kwargs)
        forward = partial(self._on_copies, self._overwritten) if self._overwritten else self._forward
        return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)

    def _on_copies(self, overwritten: Set[int | str], *args: Any, **kwargs: Any) -> Any:
        """Call with copies of the inputs that are overwritten: the second pass needs them as they were.

        Others aren't copied: a copy would add up gradients in another order, which changes their last bits.
        """
        return self._forward(
            *(arg.clone() if place in overwritten else arg for place, arg in enumerate(args)),
            **{name: arg.clone() if name in overwritten else arg for name, arg in kwargs.items()},
        )


def overwritten(forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Set[int | str]:
    """The places and names of the tensors that a call changes, as transformers do that add to their input in place.

    It is found out by a call on copies.
    """
    import torch

    places = {**dict(enumerate(args)), **kwargs}
    with torch.no_grad():
        copies = {place: arg.clone() for place, arg in places.items() if isinstance(arg, torch.Tensor)}
        before = {place: copy._version for place, copy in copies.items()}
        forward(
            *(copies.get(place, arg) for place, arg in enumerate(args)),
            **{name: copies.get(name, arg) for name, arg in kwargs.items()},
        )
    return {place for place, copy in copies.items() if copy._version != before[place]}

"""Gradient checkpointing: blocks forget their activations, and compute them again in the backward pass.

Chen et al. 2016, arXiv:1604.06174. It takes one more forward pass of each such block. The same operations run on the
same values, so it changes no bit, except as :func:`overwrites` says.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextvars import copy_context
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
        self._overwrites: bool | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        import torch
        from torch.utils.checkpoint import checkpoint

        if not torch.is_grad_enabled():
            return self._forward(*args, **kwargs)
        if self._overwrites is None:
            self._overwrites = overwrites(self._forward, args, kwargs)
        if not self._overwrites:
            forward = _in_modes_of_now(self._forward)
            return checkpoint(forward, *args, use_reentrant=False, preserve_rng_state=False, **kwargs)
        names = tuple(kwargs)
        # The first input makes the results differentiable where only adapters inside the block are trained.
        differentiable = torch.empty(0, requires_grad=True)
        return checkpoint(
            _in_modes_of_now(partial(self._on_copies, names)), differentiable, *args, *kwargs.values(),
            use_reentrant=True, preserve_rng_state=False,
        )  # fmt: skip

    def _on_copies(self, names: tuple[str, ...], _: Any, *values: Any) -> Any:
        """Call with copies of the inputs: the second pass needs them as they were."""
        copies = [value.clone() if hasattr(value, "clone") else value for value in values]
        places = len(copies) - len(names)
        return self._forward(*copies[:places], **dict(zip(names, copies[places:], strict=True)))


def _in_modes_of_now(forward: Callable[..., Any]) -> Callable[..., Any]:
    """The call in those modes that now replace torch's functions, and with the context variables of now: autograd has
    none of them while it computes again."""
    from torch.overrides import _get_current_function_mode_stack

    modes, context = _get_current_function_mode_stack(), copy_context()

    def call(*args: Any, **kwargs: Any) -> Any:
        with contextlib.ExitStack() as stack:
            for mode in modes[len(_get_current_function_mode_stack()) :]:
                stack.enter_context(mode)
            return context.copy().run(forward, *args, **kwargs)

    return call


def overwrites(forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call changes its inputs, as transformers do that add to their activations in place.

    What such a block keeps for the backward pass is overwritten too, which autograd's contexts for it must see: the
    block is then computed again in a backward pass of its own. That adds up the gradients of inputs that several blocks
    share in another order. It is found out by a call on copies.
    """
    import torch

    with torch.no_grad():
        copies = {
            place: value.clone()
            for place, value in [*enumerate(args), *kwargs.items()]
            if isinstance(value, torch.Tensor)
        }
        before = {place: copy._version for place, copy in copies.items()}
        forward(
            *(copies.get(place, arg) for place, arg in enumerate(args)),
            **{name: copies.get(name, arg) for name, arg in kwargs.items()},
        )
    return any(copy._version != before[place] for place, copy in copies.items())

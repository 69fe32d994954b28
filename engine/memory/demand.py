"""What a training step needs, counted: see ``counting.py``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from ..adapters.wrapping import Wrapped
from .blocks import blocks_of
from .counting import Tally, counted

if TYPE_CHECKING:
    from torch import nn
    from torch._subclasses.fake_tensor import FakeTensorMode

_MOMENTS = 2
"""Copies of the trained values that AdamW keeps."""


@dataclass(frozen=True, kw_only=True)
class Demand:
    """Bytes that a training step needs beyond the weights, which are there already."""

    activations: int
    """At most, at any time of the forward and backward pass, with no block checkpointed."""
    optimizer: int
    """Gradients, the optimizer's state, and a moving average where there is one."""
    blocks: Mapping[str, int]
    """Path of a block -> activations that it keeps for the backward pass."""
    weights: Mapping[str, int] = field(default_factory=dict)
    """Path of a block -> its frozen weights."""

    @property
    def total(self) -> int:
        return self.activations + self.optimizer

    def largest_blocks(self, number: int) -> tuple[str, ...]:
        """The paths of the blocks that keep the most."""
        return tuple(sorted(self.blocks, key=lambda path: -self.blocks[path])[:number])

    def checkpointed(self, number: int) -> int:
        """What the step needs at most if that many blocks, the largest, are checkpointed.

        While one of them is computed again, its activations are there, and those of the others aren't.
        """
        kept = [self.blocks[path] for path in self.largest_blocks(number)]
        return self.total - sum(kept) + max(kept, default=0)

    def streamed(self, number: int) -> int:
        """What the step needs with all blocks checkpointed and the weights of so many, the first, streamed.

        Those weights leave the device, but for the copies of two blocks.
        """
        gone = [self.weights[path] for path in self.largest_blocks(number)]
        return self.checkpointed(len(self.blocks)) - sum(gone) + 2 * max(gone, default=0)

    def smallest_plan(self, room: int) -> int:
        """The least number of blocks to checkpoint with which the step fits into ``room`` bytes; all, if none will."""
        fitting = (number for number in range(len(self.blocks)) if self.checkpointed(number) <= room)
        return next(fitting, len(self.blocks))


def demand(
    step: Callable[[], None],
    denoiser: nn.Module,
    trained: Iterable[nn.Parameter],
    fakes: FakeTensorMode | None = None,
    *,
    states: int | None = None,
) -> Demand:
    """Count a step.

    Args:
        step: one forward and backward pass of the largest micro-batch, to run on fake tensors; without the base model's
            own context for gradients, which may go by addresses.
        denoiser: in which blocks are looked for.
        trained: parameters whose gradients it makes; their ``grad`` is ``None`` afterwards.
        fakes: as for :func:`counted`.
        states: bytes that are kept of them beside their gradients; by default AdamW's.

    Raises:
        Exception: of any class, where the step can't be counted; see :func:`counted`.
    """
    import torch

    kept: dict[str, int] = {}
    wrapped, parameters = Wrapped(), list(trained)
    hooks: list[Any] = []

    def counting(tally: Tally) -> None:
        # Keeping what is overwritten later is no error here: fake tensors have no values that could be wrong.
        saving = torch.autograd.graph.saved_tensors_hooks(lambda tensor: tensor.detach(), lambda tensor: tensor)
        for path, block in blocks_of(denoiser).items():
            wrapped.put(block, partial(_watched, tally, path, kept, block.forward))
        # Gradients stay when their pass is over, and belong to the optimizer's share.
        hooks.extend(p.register_post_accumulate_grad_hook(lambda p: tally.leave_out(p.grad)) for p in parameters)
        with saving:
            step()

    try:
        peak = counted(counting, fakes).peak
    finally:
        wrapped.remove()
        for hook in hooks:
            hook.remove()
        _forget_gradients(parameters)
    gradients = sum(parameter.nbytes for parameter in parameters)
    weights = {path: bytes_of(block) for path, block in blocks_of(denoiser).items() if path in kept}
    states = _MOMENTS * gradients if states is None else states
    return Demand(activations=peak, optimizer=gradients + states, blocks=kept, weights=weights)


def bytes_of(module: nn.Module) -> int:
    """Bytes of all weights and buffers of a module."""
    return sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers()))


def _forget_gradients(parameters: Iterable[nn.Parameter]) -> None:
    for parameter in parameters:
        parameter.grad = None


def _watched(
    tally: Tally, path: str, kept: dict[str, int], forward: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """A block's forward that notes what it keeps, which is all it made but its results."""
    from torch.utils._pytree import tree_leaves

    before = tally.alive
    result = forward(*args, **kwargs)
    results: dict[int, int] = {}
    for leaf in tree_leaves(result):
        if hasattr(leaf, "untyped_storage"):
            storage = leaf.untyped_storage()
            results[storage._cdata] = storage.nbytes()
    kept[path] = kept.get(path, 0) + max(0, tally.alive - before - sum(results.values()))
    return result

"""The gradients of a step whose micro-batches several processes share.

Of R processes, rank r has the micro-batches r, r + R, r + 2R, … and computes the gradient of each by itself. Then each
rank gets one part in R of all these gradients, adds them up in the order of the micro-batches, and gives the sum to
all. So every sum has the order that it has in one process, and the result has the same bits, however many processes
there are. With one micro-batch a rank this moves as many bytes as the usual sum around a ring does, whose order depends
on the number of processes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import TYPE_CHECKING

from ..core.ranks import Group

if TYPE_CHECKING:
    from torch import Tensor, nn


class Exchange:
    """Shares the gradients of trainable parameters; first, all ranks get rank 0's values of these.

    Args:
        group: of the processes.
        parameters: what is trained, all on one device, float32.
    """

    def __init__(self, group: Group, parameters: Mapping[str, nn.Parameter]) -> None:
        import torch

        self._group, self._parameters = group, list(parameters.values())
        self._sizes = [parameter.numel() for parameter in self._parameters]
        self._part = ceil(sum(self._sizes) / group.count)
        """Elements that each rank adds up."""
        with torch.no_grad():
            values = torch.cat([parameter.flatten() for parameter in self._parameters])
            group.copy_first(values)
            for parameter, value in zip(self._parameters, values.split(self._sizes), strict=True):
                parameter.copy_(value.view_as(parameter))

    def gradients(self, backward: Callable[[int], Tensor], count: int, parts: int) -> Tensor:
        """Put the gradients of a step into the parameters' ``grad``.

        Args:
            backward: adds the gradient of the micro-batch of this number to ``grad``, and returns the parts of its
                loss, detached.
                An error in it leaves the other ranks waiting, so that it may be called again.
            count: of micro-batches in the step, M.
            parts: of a loss, P.

        Returns:
            The parts of the losses of all micro-batches, (M, P).

        Raises:
            RanksError: another process has stopped or died.
        """
        import torch

        group, device = self._group, self._parameters[0].device
        turns = ceil(count / group.count)
        own = torch.zeros(turns, group.count * self._part, device=device)
        losses, reached = torch.zeros(turns, parts, device=device), [False] * len(self._parameters)
        for turn, micro in enumerate(range(group.rank, count, group.count)):
            losses[turn] = backward(micro)
            reached = [known or p.grad is not None for known, p in zip(reached, self._parameters, strict=True)]
            self._take(own[turn])
        group.meet()
        reached = group.union(reached)
        self._give(group.joined(self._summed(own, count)), reached)
        by_rank = group.joined(losses.flatten()).view(group.count, turns, parts)
        return by_rank.transpose(0, 1).reshape(-1, parts)[:count]

    def _take(self, buffer: Tensor) -> None:
        """Move the gradients into a buffer, where those that there are none of stay 0."""
        for part, parameter in zip(buffer[: sum(self._sizes)].split(self._sizes), self._parameters, strict=True):
            if parameter.grad is not None:
                part.copy_(parameter.grad.flatten())
                parameter.grad = None

    def _summed(self, own: Tensor, count: int) -> Tensor:
        """This rank's part of the sum over all micro-batches, in their order."""
        total = None
        for turn, gradient in enumerate(own):
            received = self._group.exchanged(gradient.view(self._group.count, self._part))
            for part in received[: count - turn * self._group.count]:
                total = part.clone() if total is None else total.add_(part)
        assert total is not None, "a step has at least one micro-batch"
        return total

    def _give(self, whole: Tensor, reached: list[bool]) -> None:
        """Set the gradients, in the memory formats of the parameters, as autograd does."""
        import torch

        parts = whole[: sum(self._sizes)].split(self._sizes)
        for parameter, part, has_one in zip(self._parameters, parts, reached, strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(part.view_as(parameter)) if has_one else None

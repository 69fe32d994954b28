"""Streaming: frozen weights stay in host memory, and each block's are on the device while it computes.

Only the weights of two blocks are on the device at any time: those of the block that computes, and those of the next
one, which are copied meanwhile on a stream of their own. They are never copied back. It changes no bit.

This is for the models that diffusers runs. ComfyUI offloads the models that it has loaded by itself, and
``nodes/native/mirror.py`` makes such weights ready for each pass.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..adapters.wrapping import Wrapped
from .checkpointing import checkpointed
from .host_weights import HostWeights

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@contextlib.contextmanager
def streamed(blocks: Sequence[nn.Module], device: torch.device) -> Iterator[Streaming]:
    """Within the block, the frozen weights of these modules are in host memory, and on the device when they are used.

    The modules are checkpointed as well, since autograd would keep the weights on the device otherwise. What isn't in
    them must be on the device, adapters among it; adapters go in, and stacks are applied, before. Afterwards weights
    are on the device that they came from. Memory is counted before, or at last: copies of fake weights would stay.

    Args:
        blocks: in the order of use as far as that is known; the order is learned in the first pass.
        device: to compute on. A CPU gets copies just like a GPU, which serves tests only.
    """
    streaming = Streaming(blocks, device)
    try:
        with streaming.in_place_of_weights(), checkpointed(blocks), streaming.before_gradients():
            yield streaming
    finally:
        streaming.end()


class Streaming:
    """Blocks whose weights come to the device one after the other."""

    def __init__(self, blocks: Sequence[nn.Module], device: torch.device) -> None:
        self._blocks = blocks
        self._copies = _Copies(device)
        self._weights: list[HostWeights] = []
        self._before: int | None = None
        self._now: int | None = None
        """Number of the block whose weights are in use, and of the one before it."""
        self._followed: dict[tuple[int | None, int], int] = {}
        """Two blocks, one after the other -> the block that followed them the last time."""
        try:
            for block in blocks:
                self._weights.append(HostWeights(block, device))
        except BaseException:
            self.end()
            raise

    @property
    def host_bytes(self) -> int:
        """Host memory that the weights take."""
        return sum(weights.memory.nbytes for weights in self._weights)

    @property
    def pinned(self) -> bool:
        """Whether all of it is pinned. Where it isn't, nothing is copied while a block computes."""
        return all(weights.pinned for weights in self._weights)

    @contextlib.contextmanager
    def in_place_of_weights(self) -> Iterator[None]:
        """Within the block, each module calls for its weights before it computes."""
        with self._wrapped(self._computed):
            yield

    @contextlib.contextmanager
    def before_gradients(self) -> Iterator[None]:
        """Within the block, each module's weights are called for before its gradients are computed.

        Computing it again does so, too, but need not come first: a layer that takes its weights from the module in the
        backward pass, as quantized ones do, may be the last of the block.
        """
        with self._wrapped(self._announced):
            yield

    def end(self) -> None:
        """Give the modules their weights back."""
        self._copies.end()
        while self._weights:
            self._weights.pop().restore()

    @contextlib.contextmanager
    def _wrapped(self, forward: Callable[..., Any]) -> Iterator[None]:
        wrapped = Wrapped()
        for number, block in enumerate(self._blocks):
            wrapped.put(block, partial(forward, number, block.forward))
        try:
            yield
        finally:
            wrapped.remove()

    def _computed(self, number: int, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._use(number)
        return forward(*args, **kwargs)

    def _announced(self, number: int, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        from torch.utils._pytree import tree_leaves

        result = forward(*args, **kwargs)
        given = {id(leaf) for leaf in tree_leaves((args, kwargs))}
        for leaf in tree_leaves(result):
            if getattr(leaf, "requires_grad", False) and id(leaf) not in given:
                leaf.register_hook(partial(self._announce, number))
        return result

    def _announce(self, number: int, gradient: Tensor) -> None:
        del gradient
        self._use(number)

    def _use(self, number: int) -> None:
        """Let a block have its weights on the device, and begin to copy those of the next.

        They stay in place until another block is used: in the backward pass, some layers ask for them again.
        """
        if number == self._now or not self._weights:  # it is over, and all weights are back
            return
        if self._now is not None:
            self._weights[self._now].put_back()
            self._followed[self._before, self._now] = number
        self._before, self._now = self._now, number
        self._copies.keep(number)
        self._weights[number].use(self._copies.fetched(number, self._weights[number].memory))
        following = self._following(number)
        if following in range(len(self._weights)):
            self._copies.fetch(following, self._weights[following].memory)

    def _following(self, number: int) -> int:
        """The block that is probably used next: as the last time, or else on in the same direction."""
        on = number + 1 if self._before is None else 2 * number - self._before
        return self._followed.get((self._before, number), on)


class _Copies:
    """Copies of host memory on a device, made on a stream of their own where the device is CUDA."""

    def __init__(self, device: torch.device) -> None:
        import torch

        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._copies: dict[int, tuple[Tensor, torch.cuda.Event | None]] = {}

    def keep(self, number: int) -> None:
        """Drop all other copies."""
        self._copies = {own: copy for own, copy in self._copies.items() if own == number}

    def fetch(self, number: int, memory: Tensor) -> None:
        """Begin to copy; the host doesn't wait for it."""
        import torch

        if number in self._copies:
            return
        if self._stream is None:
            self._copies[number] = torch.empty_like(memory, device=self._device).copy_(memory), None
            return
        # The copy may get the memory of an earlier one. Whatever computes with that has been given to the device before
        # it was dropped, so waiting for all that is there by now is enough; `record_stream` would let the memory grow.
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            copy = torch.empty_like(memory, device=self._device)
            copy.copy_(memory, non_blocking=True)
            event = torch.cuda.Event()
            event.record(self._stream)
        self._copies[number] = copy, event

    def fetched(self, number: int, memory: Tensor) -> Tensor:
        """The copy; what the current stream is given from now on waits until it is there."""
        import torch

        self.fetch(number, memory)
        copy, event = self._copies[number]
        if event is not None:
            torch.cuda.current_stream(self._device).wait_event(event)
        return copy

    def end(self) -> None:
        """Drop all copies, after those under way."""
        if self._stream is not None:
            self._stream.synchronize()
        self._copies.clear()

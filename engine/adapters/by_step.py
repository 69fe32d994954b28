"""Adapters that change while a picture is sampled."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from .hiding import hiding

if TYPE_CHECKING:
    from torch import Tensor

Apply: TypeAlias = "Callable[[float], contextlib.AbstractContextManager[None]]"
"""Gives a context within which the adapters are applied as they are from a share of the sampling on."""


@runtime_checkable
class Samples(Protocol):
    """A base model with a sampler, such as any ``Backbone``."""

    def sample(
        self, noise: Tensor, conditioning: Any, negative: Any, *, steps: int, guidance: float
    ) -> Iterator[Tensor]:
        """The latents after each step; see ``Backbone.sample``. A step computes with the weights as they are then."""
        ...


@contextlib.contextmanager
def by_step(base: Samples, starts: Sequence[float], apply: Apply) -> Iterator[None]:
    """Within the block, ``base.sample`` has each step computed with the adapters as they are then.

    Outside of sampling they are as at its beginning. They are exchanged only before the steps that the shares name.

    Args:
        base: the base model.
        starts: shares of the sampling from which on something differs, rising, the first 0.
        apply: applies what counts from one of these on.
    """
    sample = base.sample
    with _Switch(starts, apply) as switch:

        def sampled(*inputs: Any, steps: int, guidance: float) -> Iterator[Tensor]:
            latents = sample(*inputs, steps=steps, guidance=guidance)
            try:
                for number in count():  # some samplers make a call or two more
                    switch.to(number / steps)
                    if (found := next(latents, None)) is None:
                        return
                    yield found
            finally:
                switch.to(0.0)

        switch.to(0.0)
        with hiding(base, "sample", sampled):
            yield


class _Switch(contextlib.AbstractContextManager["_Switch"]):
    """What is applied at one share of the sampling, and then at another."""

    def __init__(self, starts: Sequence[float], apply: Apply) -> None:
        self._starts, self._apply = starts, apply
        self._start: float | None = None
        self._applied = contextlib.ExitStack()

    def to(self, share: float) -> None:
        """Exchange what is applied, if it is something else now."""
        start = max(own for own in self._starts if own <= share)
        if start != self._start:
            self._applied.close()
            self._applied.enter_context(self._apply(start))
            self._start = start

    def __exit__(self, *_: object) -> None:
        self._applied.close()

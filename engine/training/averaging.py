"""An exponential moving average (EMA) of what is trained, beside it: training goes on as if it weren't there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn


def decay_at(step: int, decay: float) -> float:
    """The share of the average that a step keeps: lower at first, so that the first values are soon forgotten.

    The warm-up is that of TensorFlow's ``ExponentialMovingAverage``, of which other trainers have theirs.

    Args:
        step: number of the step, from 0.
        decay: its limit, in [0, 1).
    """
    return min(decay, (1 + step) / (10 + step))


class Average:
    """The average of parameters over the steps (Polyak & Juditsky 1992), which begins at their current values.

    Args:
        parameters: name -> trainable tensor, float32.
        decay: as for :func:`decay_at`.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter], decay: float) -> None:
        self._parameters, self._decay = parameters, decay
        self.values = {name: parameter.detach().clone() for name, parameter in parameters.items()}
        """Name -> average, on the device of its parameter and laid out like it."""

    def follow(self, step: int, spoiled: Tensor | None) -> None:
        """Take in the parameters as a step has left them: average += (1 - decay) * (parameter - average).

        Args:
            step: number of the step, from 0.
            spoiled: 1 on the device if the step was left out there, so that the average stays, else 0; ``None`` if it
                can't have been.
        """
        import torch

        share = 1 - decay_at(step, self._decay)
        weight = share if spoiled is None else share * (1 - spoiled)
        with torch.no_grad():
            for name, parameter in self._parameters.items():
                self.values[name].lerp_(parameter, weight)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Set all averages, to go on from a training state."""
        for name, value in self.values.items():
            value.copy_(values[name])

    @contextlib.contextmanager
    def shown(self) -> Iterator[None]:
        """Within the block, the parameters hold the average."""
        self.exchange()
        try:
            yield
        finally:
            self.exchange()

    def exchange(self) -> None:
        """Swap parameters and averages, one after the other, which takes no memory for a further copy."""
        import torch

        with torch.no_grad():
            for name, parameter in self._parameters.items():
                trained = parameter.clone()
                parameter.copy_(self.values[name])
                self.values[name].copy_(trained)

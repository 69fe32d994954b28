"""What a run trains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn


class Trainee(Protocol):
    """Trainable parameters inside a backbone: those of an adapter, an embedding or a whole denoiser."""

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Name -> trainable tensor, float32. Names begin with the component (``denoiser.`` or a text encoder's), which
        decides the learning rate."""
        ...

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Set all parameters; names as in ``parameters``."""
        ...

    def result(self) -> Any:
        """A copy of what has been trained so far."""
        ...


MakeTrainee = Callable[[], AbstractContextManager[Trainee]]
"""Puts what is trained into the base model for the duration of a block."""

"""What a training trains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn


class Trainee(Protocol):
    """Parameters inside a backbone: an adapter's, an embedding's, or those of a whole denoiser."""

    @property
    def parameters(self) -> Mapping[str, nn.Parameter]:
        """Name -> trainable tensor, float32. Names begin with the component, ``denoiser.`` or that of a text encoder,
        which decides the learning rate."""
        ...

    def load(self, values: Mapping[str, Tensor]) -> None:
        """Set every parameter; names as in ``parameters``."""
        ...

    def result(self) -> Any:
        """What has been trained so far, as a value that later steps don't change."""
        ...

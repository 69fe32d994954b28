"""How much memory optimizers take for what they keep of each trained tensor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from .settings import OptimizerSettings

_FLOAT = 4
"""Bytes of a float32."""
_SMALL_8BIT = 4096
"""Values below which float32 moments are kept, unless ``optimizer_settings`` say otherwise."""
_BLOCK_8BIT = 256
"""Values that share a scale."""


def state_bytes(optimizer: str, tensors: Iterable[Tensor]) -> int:
    """Bytes that an optimizer keeps of trained tensors, beside these and their gradients; without a few scalars.

    Args:
        optimizer: name in ``OPTIMIZERS``.
        tensors: float32, of any device.
    """
    return sum(map(_STATES[optimizer], tensors))


def kept_bytes(settings: OptimizerSettings, tensors: Iterable[Tensor]) -> int:
    """Bytes of the optimizer's state, and of the moving average where there is one."""
    tensors = [*tensors]
    average = sum(_FLOAT * tensor.numel() for tensor in tensors) if settings.ema_decay else 0
    return state_bytes(settings.optimizer, tensors) + average


def _copies(count: int) -> Callable[[Tensor], int]:
    """As many float32 values as the tensor has, so many times."""
    return lambda tensor: count * _FLOAT * tensor.numel()


def _in_8_bits(tensor: Tensor) -> int:
    """Two moments of a byte a value, each with its table of 256 values and a scale for each block."""
    size = tensor.numel()
    if size < _SMALL_8BIT:
        return 2 * _FLOAT * size
    return 2 * (size + _FLOAT * (256 + -(-size // _BLOCK_8BIT)))


def _factored(tensor: Tensor) -> int:
    """Means of the last two dimensions' rows and columns; whole moments of vectors."""
    if tensor.ndim < 2:
        return _FLOAT * tensor.numel()
    rows, columns = tensor.shape[-2:]
    matrices = tensor.numel() // (rows * columns)
    return _FLOAT * matrices * (rows + columns)


def _momentum(tensor: Tensor) -> int:
    """One of matrices; AdamW's two of what isn't a matrix."""
    return _FLOAT * tensor.numel() * (1 if tensor.ndim == 2 else 2)


_STATES: Mapping[str, Callable[[Tensor], int]] = {
    "adamw": _copies(2),
    "adamw_8bit": _in_8_bits,
    "adafactor": _factored,
    "lion": _copies(1),
    "muon": _momentum,
    "prodigy": _copies(4),
    "schedule_free_adamw": _copies(2),
}
"""Optimizer -> bytes that it keeps of a tensor."""

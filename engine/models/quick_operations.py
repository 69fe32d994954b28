"""Quicker operations in place of torch's while a model is trained in bf16 on a CPU."""

from __future__ import annotations

import contextlib
from functools import cache
from typing import TYPE_CHECKING, Any

from ..core.devices import cpu_multiplies_bf16
from .attention import attention
from .convolution import convolution

if TYPE_CHECKING:
    import torch


def quick_operations(device: torch.device, dtype: torch.dtype) -> contextlib.AbstractContextManager[object]:
    """Within the block, and in this thread, ``attention`` and ``convolution`` take the place of torch's.

    Args:
        device: what the model runs on; elsewhere than on a CPU nothing changes.
        dtype: of its activations; nothing changes unless it is bf16, and the CPU multiplies that.
    """
    import torch

    if device.type == "cpu" and dtype == torch.bfloat16 and cpu_multiplies_bf16():
        return _mode()()
    return contextlib.nullcontext()


@cache
def _mode() -> Any:
    from torch.nn import functional
    from torch.overrides import TorchFunctionMode

    ours = {functional.scaled_dot_product_attention: attention, functional.conv2d: convolution}

    class QuickOperations(TorchFunctionMode):
        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            return ours.get(func, func)(*args, **(kwargs or {}))

    return QuickOperations

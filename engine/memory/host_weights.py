"""The frozen weights of a module in host memory, in one piece, from which they are copied to a device together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_ALIGNMENT = 256
"""Bytes. Kernels are chosen by alignment, and so are last bits; on GPUs, what torch allocates is aligned so, too."""

_PAGE = 4096
"""Bytes of a page of host memory, or a part of one where pages are larger."""


class HostWeights:
    """All parameters and buffers of a module that don't require gradients, quantized ones among them.

    The module's own tensors are in host memory until :meth:`restore`; its parameters stay the same objects.

    Args:
        module: with all modules below it.
        device: that its weights will be copied to. For CUDA, the host memory is pinned where the system allows it.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        import torch

        frozen = {id(t): t for _, _, t in _places(module)}
        self._origins = {key: tensor.device for key, tensor in frozen.items()}
        self._layout, size = {}, 0
        for key, tensor in frozen.items():
            self._layout[key] = (size, tensor.dtype, tensor.shape, torch.empty_like(tensor, device="meta").stride())
            size += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
        self.memory = _whole_pages(size)
        """All of them, one after the other."""
        self.pinned = device.type == "cuda" and _pin(self.memory)
        views = self._views(self.memory)
        self._at_home = [*_places(module)]
        for key, tensor in frozen.items():
            views[key].copy_(tensor)
            tensor.data = views[key]

    def use(self, copy: Tensor) -> None:
        """Let the module compute with a copy of ``memory`` on the device."""
        import torch

        views = self._views(copy)
        for owner, name, tensor in self._at_home:
            view = views[id(tensor)]
            is_parameter = isinstance(tensor, torch.nn.Parameter)
            owner[name] = torch.nn.Parameter(view, requires_grad=False) if is_parameter else view

    def put_back(self) -> None:
        """Let the module have its own tensors again, in host memory."""
        for owner, name, tensor in self._at_home:
            owner[name] = tensor

    def restore(self) -> None:
        """Give the module's tensors storages of their own again, on the devices that they came from.

        No copy from ``memory`` may be under way.
        """
        import torch

        self.put_back()
        for key, tensor in {id(t): t for _, _, t in self._at_home}.items():
            tensor.data = torch.empty_like(tensor.data, device=self._origins[key]).copy_(tensor.data)
        if self.pinned:
            _unpin(self.memory)

    def _views(self, memory: Tensor) -> dict[int, Tensor]:
        """Id of a tensor of the module -> its values in a copy of ``memory``, with its strides."""
        return {
            key: memory[start : start + dtype.itemsize * prod(shape)].view(dtype).as_strided(shape, stride)
            for key, (start, dtype, shape, stride) in self._layout.items()
        }


def _places(module: nn.Module) -> Iterator[tuple[dict[str, Any], str, Tensor]]:
    """Where the frozen tensors of a module are: (dictionary, name, tensor)."""
    for own in module.modules():
        for owner in (own._parameters, own._buffers):
            yield from ((owner, name, t) for name, t in owner.items() if t is not None and not t.requires_grad)


def _whole_pages(size: int) -> Tensor:
    """Host memory of that many bytes or a few more, on pages that nothing else is on: pages are pinned, not bytes."""
    import torch

    size = -(-size // _PAGE) * _PAGE
    memory = torch.empty(size + _PAGE, dtype=torch.uint8)
    start = -memory.data_ptr() % _PAGE
    return memory[start : start + size]


def _pin(memory: Tensor) -> bool:
    """Lock host memory, so that a GPU reads it by itself; whether the system let it.

    torch's own pinned memory would be rounded up to a power of two, which for blocks is up to twice what they need.
    """
    import torch

    if not int(torch.cuda.cudart().cudaHostRegister(memory.data_ptr(), memory.nbytes, 0)):  # type: ignore[attr-defined]
        return True
    with contextlib.suppress(RuntimeError):  # CUDA tells the next kernel of the error, which should harm none of ours
        torch.zeros(1, device="cuda")
    return False


def _unpin(memory: Tensor) -> None:
    import torch

    torch.cuda.cudart().cudaHostUnregister(memory.data_ptr())  # type: ignore[attr-defined]

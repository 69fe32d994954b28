"""Counting the memory of a computation without doing it, or any of its arithmetic.

The real modules run on fake tensors, which have shapes and dtypes and no values, and the storages that operations make
are added up while they are alive. So whatever a model keeps for its backward pass is counted as it will be kept.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor
    from torch._subclasses.fake_tensor import FakeTensorMode

T = TypeVar("T")
_SMALL = 64
"""Values of a tensor up to which it is computed with for real, such as a guidance scale for each picture."""


class Tally:
    """Bytes of the tensors that a computation has made."""

    def __init__(self) -> None:
        self.alive = 0
        """Now."""
        self.peak = 0
        """At most, at any time."""
        self._sizes: dict[int, int] = {}
        """Address of a storage that is known -> bytes that are counted for it."""

    def outside(self, tensor: Tensor) -> None:
        """Don't count the storage of a tensor, unless it is counted already."""
        self._see(tensor, 0)

    def leave_out(self, tensor: Tensor) -> None:
        """No longer count the storage of a tensor, though it is still there."""
        key = tensor.untyped_storage()._cdata
        self.alive -= self._sizes.get(key, 0)
        self._sizes[key] = 0

    def add(self, tensor: Tensor) -> None:
        """Count a tensor's storage until it is freed."""
        self._see(tensor, tensor.untyped_storage().nbytes())

    def _see(self, tensor: Tensor, size: int) -> None:
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._sizes:
            return
        self._sizes[key] = size
        self.alive += size
        self.peak = max(self.peak, self.alive)
        weakref.finalize(storage, self._freed, key)  # its address may be that of another storage later

    def _freed(self, key: int) -> None:
        self.alive -= self._sizes.pop(key)


def counted(compute: Callable[[Tally], T], fakes: FakeTensorMode | None = None) -> Tally:
    """Run a computation on fake tensors, and count what it makes.

    Args:
        compute: called with the tally, which it may read on its way. Tensors from outside may have real values, and
            are not counted; results are fake, except those of whole numbers, or of very few, alone.
        fakes: the mode that made what is fake already, such as a model of which only the structure is wanted.

    Raises:
        Exception: of any class, where the computation depends on values that fake tensors don't have.
    """
    import torch
    from torch import Tensor
    from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
    from torch.utils._python_dispatch import TorchDispatchMode

    tally, fakes = Tally(), fakes or FakeTensorMode(allow_non_fake_inputs=True)

    def faked(value: Any) -> Any:
        """An argument of an operation."""
        if isinstance(value, (list, tuple)):
            return [faked(own) for own in value]
        if not isinstance(value, Tensor):
            return value
        fake = value if isinstance(value, FakeTensor) else fakes.from_tensor(value)
        tally.outside(fake)
        return fake

    ops, device_of = torch.ops.aten, torch.ops.prim.device.default
    by_places = (ops.index, ops.index_put, ops.index_put_, ops._index_put_impl_, ops._unsafe_index)

    class Counting(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            del types
            if func is device_of:  # autograd asks more often than it computes
                return args[0].device
            kwargs = kwargs or {}
            given = [*_tensors(args), *_tensors(list(kwargs.values()))]
            if not any(isinstance(t, FakeTensor) or _is_large(t) for t in given):
                result = func(*args, **kwargs) if not given else None
                if not _has_fractions(result):
                    with unset_fake_temporarily():  # lengths, places and scales, on which branches may depend
                        return func(*args, **kwargs)
            else:
                if func.overloadpacket in by_places:
                    args = (args[0], _as_places(args[1]), *args[2:])
                result = func(*map(faked, args), **{name: faked(value) for name, value in kwargs.items()})
            for fake in _fakes(result):
                tally.add(fake)
            return result

    with fakes, Counting():
        compute(tally)
    return tally


def _tensors(value: Any) -> Iterator[Tensor]:
    """Of arguments or results of an operation; many times as fast as torch's trees, which know more than lists."""
    import torch

    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for own in value:
            yield from _tensors(own)


def _fakes(result: Any) -> list[Tensor]:
    from torch._subclasses.fake_tensor import FakeTensor

    return [tensor for tensor in _tensors(result) if isinstance(tensor, FakeTensor)]


def _has_fractions(result: Any) -> bool:
    return any(tensor.is_floating_point() for tensor in _tensors(result))


def _is_large(tensor: Tensor) -> bool:
    """Whether a tensor from outside is worth no arithmetic. Tables of complex numbers are: some models keep them."""
    return tensor.is_floating_point() and tensor.numel() > _SMALL


def _as_places(indices: Sequence[Tensor | None]) -> list[Tensor | None]:
    """Indices with the places of masks instead of the masks: a fake mask would hide how many there are."""
    import torch
    from torch._subclasses.fake_tensor import FakeTensor, unset_fake_temporarily

    found: list[Tensor | None] = []
    for index in indices:
        if index is None or isinstance(index, FakeTensor) or index.dtype != torch.bool:
            found.append(index)
        else:
            with unset_fake_temporarily():
                found += index.nonzero(as_tuple=True)
    return found

"""The most memory that a computation really takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakSet

from ..core.host_memory import give_back_freed

if TYPE_CHECKING:
    import torch

_PROCESS = Path("/proc/self")
_FORGET_PEAK = "5"
"""See ``proc_pid_clear_refs(5)``."""


class Peak:
    """What was found."""

    size: int | None = None
    """Bytes at most beyond what was taken before; ``None`` if the device doesn't tell."""


@contextlib.contextmanager
def peak_memory(device: torch.device) -> Iterator[Peak]:
    """Measure the block: torch's memory on a CUDA device, and on a CPU that of this process, where Linux tells it."""
    peak, taken = Peak(), TakenMemory(device)
    yield peak
    peak.size = taken.peak()


class TakenMemory:
    """The memory that is taken from now on: torch's on a CUDA device, and on a CPU that of this process.

    Asking for it is cheap, and doesn't wait for the device. A device has one peak: when one asks for it to be measured
    anew, the others keep what it was.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._kept = 0
        self._before = self.forget_peak()
        _MEASURING.add(self)

    def peak(self) -> int | None:
        """Bytes at most, since the peak was forgotten last, beyond what was taken at first; ``None`` if the device
        doesn't tell."""
        if self._before is None:
            return None
        return max(0, self._kept - self._before, self._most() - self._before)

    def forget_peak(self) -> int | None:
        """Measure the peak anew; what is taken now, in bytes."""
        import torch

        for other in list(_MEASURING):
            if other._device == self._device and other._before is not None:
                other._kept = max(other._kept, other._most())
        self._kept = 0
        if self._device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self._device)
            return torch.cuda.memory_allocated(self._device)
        return _forgotten_peak() if self._device.type == "cpu" else None

    def _most(self) -> int:
        import torch

        return torch.cuda.max_memory_allocated(self._device) if self._device.type == "cuda" else _bytes("VmHWM")


_MEASURING: WeakSet[TakenMemory] = WeakSet()


def _forgotten_peak() -> int | None:
    """Let Linux measure the largest memory of this process anew; what it takes now, in bytes."""
    give_back_freed()  # or what is taken again of it wouldn't count
    with contextlib.suppress(OSError):
        (_PROCESS / "clear_refs").write_text(_FORGET_PEAK)
        return _bytes("VmRSS")
    return None


def _bytes(name: str) -> int:
    lines = (_PROCESS / "status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:")) * 1024

"""The most memory that a computation really takes."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

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
    import torch

    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.size = torch.cuda.max_memory_allocated(device) - before
        return
    before = _forgotten_peak() if device.type == "cpu" else None
    yield peak
    if before is not None:
        peak.size = max(0, _bytes("VmHWM") - before)


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

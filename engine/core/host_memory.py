"""How much memory of the machine is free, giving it back, and the way of tensors from there to a device."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_CGROUPS = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"),
)
"""Where Linux tells a container its limit, what it uses, and how much of that are files that it can drop: in version 2
of control groups, and in version 1."""


def free_memory(control_groups: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes of the machine's memory, or of this container's, that new data can have without swapping.

    Args:
        control_groups: where Linux mounts them.
    """
    import psutil

    free = [psutil.virtual_memory().available]
    for limit, used, droppable in _CGROUPS:
        with contextlib.suppress(OSError, ValueError, KeyError):  # no such file, or no limit
            paths = [control_groups / name for name in (limit, used)]
            most, now = (int(path.read_text()) for path in paths)
            lines = paths[0].with_name("memory.stat").read_text().splitlines()
            files = int(dict(line.split() for line in lines)[droppable])
            free.append(most - now + files)
    return max(0, min(free))


def give_back_freed() -> None:
    """Return memory that this process has freed to the system; glibc keeps what lies between pieces in use."""
    if sys.platform.startswith("linux") and hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)


def sent(tensor: Tensor, device: torch.device) -> Tensor:
    """A tensor from the machine's memory on a device.

    CUDA copies it from pinned memory while this process goes on. Where no more memory can be pinned, it waits.
    """
    if device.type == "cuda" and tensor.device.type == "cpu":
        with contextlib.suppress(RuntimeError):
            tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=tensor.is_pinned() if tensor.device.type == "cpu" else False)

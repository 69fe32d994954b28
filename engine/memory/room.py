"""How much memory is free."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_LIMIT, _USED = Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")


def free_memory(device: torch.device) -> int | None:
    """Bytes that a training could take on a device; ``None`` if the device doesn't tell.

    What torch has reserved there and doesn't use counts as free. A CPU's memory is the machine's, or what the container
    may have of it.
    """
    import torch

    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.current_allocated_memory()
    return _free_on_the_machine() if device.type == "cpu" else None


def _free_on_the_machine() -> int:
    import psutil

    free = psutil.virtual_memory().available
    try:
        return min(free, int(_LIMIT.read_text()) - int(_USED.read_text()))
    except (OSError, ValueError):  # there is no container, or it may have all
        return free


def gigabytes(size: float) -> str:
    """For example ``7.4 GB``, or ``12 MB`` where it is less than a tenth of that."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"

"""How much memory is free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.host_memory import free_memory as free_host_memory

if TYPE_CHECKING:
    import torch


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
    return free_host_memory() if device.type == "cpu" else None


def gigabytes(size: float) -> str:
    """For example ``7.4 GB``, or ``12 MB`` where it is less than a tenth of that."""
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"

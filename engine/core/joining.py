"""How a process becomes one of several that train together."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .devices import pick_device
from .errors import ConfigError
from .ranks import PATIENCE, Group

if TYPE_CHECKING:
    import torch
    from torch.distributed import Store


@dataclass(frozen=True, kw_only=True)
class Seat:
    """The place of a process among those that train together."""

    rank: int
    count: int
    local: int
    """Rank among the processes of its machine, which is the number of its GPU."""


def launched() -> Seat | None:
    """The place that ``torchrun`` or ``accelerate launch`` gave to this process; ``None`` if it was started alone.

    Raises:
        ConfigError: the launcher's environment is incomplete.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) < 2:
        return None
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    if missing := [name for name in names if name not in os.environ]:
        raise ConfigError(
            f"WORLD_SIZE is {os.environ['WORLD_SIZE']}, but {', '.join(missing)} isn't set.",
            expected="the environment that torchrun or accelerate launch makes",
            hint="start it by `torchrun --nproc-per-node N -m lora_workbench train RUN.toml`, or unset WORLD_SIZE.",
        )
    rank, count, local = (int(os.environ[name]) for name in names[:3])
    return Seat(rank=rank, count=count, local=local)


def device_of(seat: Seat, name: str) -> torch.device:
    """The device of a process: a GPU of its own, or the CPU.

    Args:
        seat: of the process.
        name: ``auto``, ``cuda`` or ``cpu``.

    Raises:
        ConfigError: this machine has fewer GPUs than processes, or the device can't be shared in this way.
        BaseModelError: there is no such device.
    """
    import torch
    import torch.distributed as dist

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and torch.cuda.is_available():
        if seat.local >= torch.cuda.device_count() or not dist.is_nccl_available():
            raise ConfigError(
                f"Process {seat.local + 1} of this machine has no GPU of its own: there are {torch.cuda.device_count()}"
                f", and NCCL is {'' if dist.is_nccl_available() else 'not '}available.",
                expected="as many GPUs as processes, and a PyTorch with NCCL, as on Linux",
                hint="start fewer processes, or set device to cpu.",
            )
        name = f"cuda:{seat.local}"
    device = pick_device(name)
    if device.type not in ("cuda", "cpu"):
        raise ConfigError(
            f"Several processes can't train on {name!r}.",
            expected="cuda or cpu",
            hint="start a single process for this device.",
        )
    return device


def join(seat: Seat, device: torch.device, store: Store | None = None) -> Group:
    """Wait for the other processes, and become one of them: over NCCL between GPUs, over Gloo between CPUs.

    Args:
        seat: of this process.
        device: of this process.
        store: where they meet; by default what the launcher's environment names.
    """
    import torch
    import torch.distributed as dist

    backend = "cpu:gloo"
    if device.type == "cuda":
        torch.cuda.set_device(seat.local if device.index is None else device.index)
        backend += ",cuda:nccl"
    dist.init_process_group(backend, rank=seat.rank, world_size=seat.count, store=store, timeout=PATIENCE)
    return Group(device)

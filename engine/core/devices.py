"""The device and dtype that a base model runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import BaseModelError

if TYPE_CHECKING:
    import torch


def pick_device(name: str) -> torch.device:
    """The torch device of that name; ``auto`` prefers CUDA, then Apple's MPS, then the CPU.

    Raises:
        BaseModelError: this machine has no such device.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise BaseModelError(
            f"Device {name!r} can't be used: {str(error).splitlines()[0]}",
            expected="auto, or a device of this machine: cpu, cuda or mps",
            hint="choose auto; `lora-workbench doctor` lists the available devices.",
        ) from error
    return device


def pick_dtype(precision: str, device: torch.device, parameters: int) -> torch.dtype:
    """The dtype of the frozen weights.

    ``auto`` is bf16 where the hardware multiplies it faster than float32 (CUDA from Ampere on, CPUs with AMX or
    AVX512-bf16), float16 on older CUDA devices, and float32 otherwise. On CPUs, models below 50 million parameters stay
    in float32: a LoRA step of the demo base takes the same time in both, while one of SD1.5's size is 2.1 times slower
    in float32 (``benchmarks/precision.py``).

    Args:
        precision: ``auto``, ``fp32``, ``bf16`` or ``fp16``.
        device: where the model runs.
        parameters: of the model.

    Raises:
        BaseModelError: the precision is unknown.
    """
    import torch

    if precision != "auto":
        known = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        if precision not in known:
            raise BaseModelError(
                f"Unknown precision {precision!r}.",
                expected=f"auto or one of {', '.join(known)}",
                hint="choose auto, which takes the fastest dtype of the device.",
            )
        return known[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "cpu" and parameters > 50_000_000 and cpu_multiplies_bf16():
        return torch.bfloat16
    return torch.float32


def cpu_multiplies_bf16() -> bool:
    """Whether this CPU has instructions for bf16 matrix products."""
    import torch

    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a device, or the machine, has no memory left."""
    import torch

    # The CPU's allocator has no class of error of its own.
    return isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)

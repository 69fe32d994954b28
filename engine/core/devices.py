"""Which device and which number format a base model runs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import BaseModelError

if TYPE_CHECKING:
    import torch


def pick_device(name: str) -> torch.device:
    """``auto`` takes CUDA, then Apple's MPS, then the CPU; any other name is torch's own.

    Raises:
        BaseModelError: there is no such device here.
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
            expected="auto, cpu, cuda or mps, as this machine has them",
            hint="choose auto; `lora-workbench doctor` lists the devices that are seen.",
        ) from error
    return device


def pick_dtype(precision: str, device: torch.device, parameters: int) -> torch.dtype:
    """The format of the frozen weights.

    ``auto`` is bf16 where the hardware multiplies it faster than float32: CUDA from Ampere on, and CPUs with AMX or
    AVX512-bf16. There small models stay in float32, as they gain nothing: a LoRA step of the demo base takes the
    same time in both, one at SD1.5's size 2.1 times as long in float32 (``benchmarks/precision.py``).
    """
    import torch

    if precision != "auto":
        known = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
        if precision not in known:
            raise BaseModelError(
                f"Precision {precision!r} isn't known.",
                expected=f"auto or one of {', '.join(known)}",
                hint="choose auto, which takes what the device is fast at.",
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

"""How the frozen weights of a base model are stored: in a dtype, or quantized to 8 bits and less."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from .devices import pick_dtype
from .errors import BaseModelError

if TYPE_CHECKING:
    import torch

QUANTIZED = {"fp8": 8.0, "int8": 8.0, "nf4": 4.5}
"""Format -> bits per weight, without the scales of rows. The 4-bit values of NF4 share a scale per block of 64."""
SHARE = 0.6
"""Of a GPU's memory that weights may take; the rest is for activations, encoders and other programs."""
GB = 10**9


@dataclass(frozen=True)
class Precision:
    """How the frozen weights of a model are stored."""

    dtype: torch.dtype
    """Of the activations, and of the weights that aren't quantized."""
    format: str = ""
    """A key of :data:`QUANTIZED`; empty where no weight is quantized."""
    reason: str = ""
    """Why ``auto`` quantizes, for people."""

    @property
    def in_words(self) -> str:
        """For example ``int8, because …``; empty where no weight is quantized."""
        return f"{self.format}, because {self.reason}" if self.reason else self.format


def pick_precision(name: str, device: torch.device, parameters: int) -> Precision:
    """The precision of that name.

    ``auto`` takes the dtype of ``pick_dtype``. Where the weights would then take more than :data:`SHARE` of a GPU's
    memory, or don't fit into a computer's at all, it quantizes: to int8, or to NF4 where int8 is too large as well and
    bitsandbytes is installed. It goes by all of the memory, not by what is free at the moment, so that the same graph
    stays the same run.

    Args:
        name: ``auto``, ``fp32``, ``bf16``, ``fp16``, ``fp8``, ``int8`` or ``nf4``.
        device: where the model runs.
        parameters: of the model.

    Raises:
        BaseModelError: there is no such precision.
    """
    if name in QUANTIZED:
        return Precision(pick_dtype("auto", device, parameters), name)
    if name not in ("auto", "fp32", "bf16", "fp16"):
        raise BaseModelError(
            f"Unknown precision {name!r}.",
            expected=f"auto or one of fp32, bf16, fp16, {', '.join(QUANTIZED)}",
            hint="choose auto, which takes the fastest dtype of the device in which the model fits.",
        )
    dtype = pick_dtype(name, device, parameters)
    total = _memory(device) if name == "auto" else None
    if total is None:
        return Precision(dtype)
    room, where = (SHARE * total, f"60 % of the GPU's {total / GB:.1f} GB")
    if device.type == "cpu":
        room, where = total, f"the computer's {total / GB:.1f} GB"
    return Precision(dtype, *_to_fit(parameters, dtype.itemsize, room, where))


def _to_fit(parameters: int, itemsize: int, room: float, where: str) -> tuple[str, str]:
    """The format in which that many weights take no more bytes than there is room, and why."""
    weights = itemsize * parameters
    if weights <= room:
        return "", ""
    reason = f"its {weights / GB:.1f} GB in {8 * itemsize} bits are more than {where}"
    if parameters <= room:
        return "int8", reason
    if find_spec("bitsandbytes"):
        return "nf4", f"{reason}, and so are {parameters / GB:.1f} GB in int8"
    return "int8", f"{reason}; nf4 would take about half of int8, but bitsandbytes isn't installed"


def _memory(device: torch.device) -> int | None:
    """Bytes of memory of a device; ``None`` where it can't be asked."""
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    if device.type == "cpu" and hasattr(os, "sysconf"):
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None

"""Formats of quantized weights: each packs a weight into two tensors, values and scales, and unpacks them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import BaseModelError
from ..core.quiet import without_warnings

if TYPE_CHECKING:
    import torch
    from torch import Tensor

BLOCK = 64
"""Values of NF4 that share a scale."""
AT_ONCE = 1 << 18
"""Values that are packed at a time: in float32, a layer would take more memory than anything else in loading."""


class Format(NamedTuple):
    """A way to store weights."""

    pack: Callable[[Tensor], tuple[Tensor, Tensor]]
    """A weight (out, in, …) -> its values, and their scales in float32."""
    unpack: Callable[[Tensor, Tensor, tuple[int, ...], torch.dtype], Tensor]
    """Values, scales, the weight's shape, a dtype -> the weight in that dtype."""


def _pack_rows(weight: Tensor, dtype: str, largest: float) -> tuple[Tensor, Tensor]:
    """Values such that each row's largest is the dtype's largest."""
    import torch

    values = torch.empty_like(weight, dtype=getattr(torch, dtype))
    scale = torch.empty((len(weight), *[1] * (weight.ndim - 1)), device=weight.device)
    within, rows = tuple(range(1, weight.ndim)), max(1, AT_ONCE // weight[0].numel())
    for own, packed, scales in zip(weight.split(rows), values.split(rows), scale.split(rows), strict=True):
        whole = own.float()
        scales.copy_(whole.abs().amax(within, keepdim=True) / largest).clamp_(min=torch.finfo(torch.float32).tiny)
        whole = whole / scales
        packed.copy_((whole.round() if dtype == "int8" else whole).clamp_(-largest, largest))
    return values, scale


def _unpack_rows(values: Tensor, scale: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """All values are exact in 16 bits, so the product, computed in float32, is rounded once."""
    del shape
    return values.to(dtype).mul_(scale)


def _pack_nf4(weight: Tensor) -> tuple[Tensor, Tensor]:
    """4-bit NormalFloat (Dettmers et al. 2023, arXiv:2305.14314, section 3), two values a byte.

    In smaller pieces, since on a CPU bitsandbytes compares each value with all sixteen at once.
    """
    import torch

    quantize = partial(_bitsandbytes().functional.quantize_4bit, blocksize=BLOCK, quant_type="nf4")
    pieces = [quantize(piece.float()) for piece in weight.flatten().split(AT_ONCE // 4)]
    return torch.cat([values for values, _ in pieces]), torch.cat([state.absmax for _, state in pieces])


def _unpack_nf4(values: Tensor, scale: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """As one row: bitsandbytes' kernel for CPUs lets blocks begin anew in each row, that for GPUs doesn't."""
    functional = _bitsandbytes().functional
    state = functional.QuantState(
        absmax=scale, shape=(values.numel() * 2,), dtype=dtype, blocksize=BLOCK, quant_type="nf4"
    )
    return functional.dequantize_4bit(values, state).reshape(shape)


FORMATS: Mapping[str, Format] = {
    "fp8": Format(partial(_pack_rows, dtype="float8_e4m3fn", largest=448.0), _unpack_rows),
    "int8": Format(partial(_pack_rows, dtype="int8", largest=127.0), _unpack_rows),
    "nf4": Format(_pack_nf4, _unpack_nf4),
}
"""The formats of ``core/precision.py``: 8-bit floats with 4 bits of exponent and 8-bit integers with a scale a row, and
bitsandbytes' NF4 with a scale a block."""


def check_format(name: str, device: torch.device) -> None:
    """Pack and unpack something small.

    Raises:
        BaseModelError: the library for the format is missing, or the device can't compute with it.
    """
    import torch

    weight = torch.ones(BLOCK, BLOCK, device=device)
    try:
        FORMATS[name].unpack(*FORMATS[name].pack(weight), weight.shape, torch.bfloat16)
    except (RuntimeError, NotImplementedError, TypeError) as error:
        raise BaseModelError(
            f"Weights in {name} can't be used on {device}: {str(error).splitlines()[0]}",
            expected="a format that the device computes with",
            hint="choose int8, which all devices have, or bf16.",
        ) from error


def _bitsandbytes() -> ModuleType:
    # Setting a level of logging empties the caches of all loggers, which is too slow for every layer of every step.
    silence = nullcontext() if "bitsandbytes" in sys.modules else without_warnings("bitsandbytes")
    try:
        with silence:  # about faster kernels that it would download
            import bitsandbytes
    except ImportError as error:
        raise BaseModelError(
            f"Weights in nf4 need bitsandbytes, which can't be imported: {error}.",
            expected="bitsandbytes beside torch",
            hint='install it: pip install "lora-workbench[quantized]", or in ComfyUI\'s Python, pip install '
            "bitsandbytes. int8 and fp8 need nothing.",
        ) from error
    return bitsandbytes

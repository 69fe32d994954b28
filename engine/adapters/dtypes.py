"""The values of an adapter file in dtypes that can be computed with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from ..core.errors import AdapterError
from ..core.words import counted, first_of

if TYPE_CHECKING:
    from torch import Tensor

_MARKERS = ("scaled_fp8",)
"""ComfyUI's mark of files whose fp8 tensors have scales."""
_SCALES = (".scale_weight", ".weight_scale")
"""After the name of a module or of one factor: what its fp8 values are multiplied by."""
_INPUT_SCALES = (".scale_input", ".input_scale")
"""For computing in fp8, which isn't done here."""


class Values(NamedTuple):
    """Tensors in float16, bfloat16 or float32, and whole numbers as they were."""

    tensors: dict[str, Tensor]
    notes: tuple[str, ...]
    scaled: bool
    """Whether tensors of the file are scales of others."""


def computable(tensors: Mapping[str, Tensor], origin: str) -> Values:
    """Tensors whose fp8 values are float16, which holds all of them, or float32 where a scale belongs to them.

    Args:
        tensors: name -> tensor, as in the file.
        origin: names them in errors.

    Raises:
        AdapterError: a dtype has no values of its own, or a scale has no tensor or doesn't fit it.
    """
    import torch

    scales = {name: tensor for name, tensor in tensors.items() if name.endswith(_SCALES)}
    aside = {*scales, *_MARKERS, *(name for name in tensors if name.endswith(_INPUT_SCALES))}
    found: dict[str, Tensor] = {}
    narrow = 0
    for name, tensor in tensors.items():
        if name in aside:
            continue
        if tensor.is_floating_point() and tensor.element_size() == 1:
            narrow += 1
            tensor = _widened(name, tensor, origin)
        found[name] = tensor.float() if tensor.dtype == torch.float64 else tensor
    for name, scale in scales.items():
        _multiply(found, name, scale, origin)
    notes = [f"{counted(narrow, 'tensor')} of float8."] if narrow else []
    if scales:
        notes.append(f"{counted(len(scales), 'scale')} of tensors, multiplied in.")
    return Values(found, tuple(notes), bool(scales))


def _widened(name: str, tensor: Tensor, origin: str) -> Tensor:
    import torch

    if "e8m0" in str(tensor.dtype):
        raise _unknown(f"{name} in {origin} holds only exponents ({tensor.dtype})")
    try:
        return tensor.to(torch.float16)
    except (RuntimeError, NotImplementedError) as error:
        raise _unknown(f"{name} in {origin} has values of {tensor.dtype}, which can't be converted") from error


def _multiply(tensors: dict[str, Tensor], name: str, scale: Tensor, origin: str) -> None:
    """Multiply a scale into the tensor that it belongs to."""
    stem = name.rsplit(".", 1)[0]
    target = next((key for key in (f"{stem}.weight", stem) if key in tensors), None)
    if target is None:
        raise _unknown(f"{origin} has the scale {name}, but no tensor that it belongs to")
    value, scale = tensors[target].float(), scale.float()
    if scale.numel() == 1:
        scale = scale.reshape(())
    elif scale.numel() == value.shape[0]:
        scale = scale.reshape(-1, *[1] * (value.ndim - 1))
    else:
        raise _unknown(f"the scale {name} in {origin} has the shape {tuple(scale.shape)}, which doesn't fit {target}")
    tensors[target] = value * scale


def refuse_whole_numbers(tensors: Mapping[str, Tensor], origin: str) -> None:
    """Refuse factors that are whole numbers, as quantized ones are; a single number may be an alpha or a mark.

    Raises:
        AdapterError: some are; they are named.
    """
    wrong = [
        f"{name} ({tensor.dtype})"
        for name, tensor in tensors.items()
        if tensor.numel() > 1 and not tensor.is_floating_point()
    ]
    if wrong:
        raise _unknown(f"{origin} holds whole numbers or others that aren't plain values: {first_of(wrong, 3)}")


def _unknown(what: str) -> AdapterError:
    return AdapterError(
        f"{what}.",
        expected="values in float32, float16, bfloat16 or float8, the last perhaps with one scale a tensor or row",
        hint="export the adapter again in float16 or bfloat16.",
    )

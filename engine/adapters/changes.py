"""What updates add to a layer's output, where its weight can't or mustn't be changed.

:math:`\\Delta W x` beside :math:`W x`: no weight of the base is changed or rounded, whatever its dtype.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.errors import AdapterError
from .kinds import LowRank
from .kinds.lora import product
from .kinds.summing import Part, bias_change, joined, updated, whole

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Pieces = Sequence[tuple[slice, list[Part]]]
"""(output rows, updates in the order of the stack) of each part of a layer that is changed."""
Change = Callable[["Tensor"], "Tensor"]
"""What is added to a layer's output, as a function of its input."""


def change_of(key: str, layer: Any, pieces: Pieces, dtype: torch.dtype) -> Change:
    """What these updates add to the output of a layer.

    Args:
        key: of the module, with its component.
        layer: linear, or a convolution.
        pieces: what changes it.
        dtype: of the denoiser's activations; text encoders are in float32.

    Raises:
        AdapterError: it has no bias to change, or an update depends on a weight that can't be read.
    """
    import torch

    bias, weight = _bias(key, layer, pieces), layer.weight
    dtype, device = dtype if key.startswith("denoiser.") else torch.float32, weight.device
    parts = [part for _, of_rows in pieces for part in of_rows]
    if all(isinstance(update, LowRank) for update, _ in parts) and getattr(layer, "groups", 1) == 1:
        low_rank = [(rows, joined(of_rows, "cpu")) for rows, of_rows in pieces]  # type: ignore[arg-type]
        out, *inner = weight.shape
        down, up = whole(low_rank, out)
        factors = down.reshape(-1, *inner), up.reshape(out, -1, *[1] * len(inner[1:]))
        down, up = (factor.to(device, dtype) for factor in factors)
        return partial(_low_rank, layer, down, up, None if bias is None else bias.to(device, dtype))
    difference = _difference(key, layer, pieces).to(device, dtype)
    return partial(_dense, layer, difference, None if bias is None else bias.to(device, dtype))


def _low_rank(layer: Any, down: Tensor, up: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    found = product(layer, down.to(x.dtype), up.to(x.dtype), x)
    return found if bias is None else found + bias.to(x.dtype).reshape(-1, *[1] * (up.ndim - 2))


def _dense(layer: Any, difference: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    import torch

    difference, bias = difference.to(x.dtype), None if bias is None else bias.to(x.dtype)
    if isinstance(layer, torch.nn.Linear):
        return torch.nn.functional.linear(x, difference, bias)
    return layer._conv_forward(x, difference, bias)


def _difference(key: str, layer: Any, pieces: Pieces) -> Tensor:
    """The change of the layer's weight by updates of all kinds, float32.

    Raises:
        AdapterError: it depends on the weight, which is stored in fewer than sixteen bits.
    """
    import torch

    weight = layer.weight.detach()
    plain = type(layer.weight) in (torch.Tensor, torch.nn.Parameter) and weight.dtype.itemsize > 1
    kinds = {update.kind for _, parts in pieces for update, _ in parts if not update.additive}
    if kinds and not plain:
        raise AdapterError(
            f"A companion of kind {' and '.join(sorted(kinds))} changes {key} by its weight, which is quantized.",
            expected="a base model in 16 or 32 bits, or a companion of an additive kind, such as LoRA",
            hint="load the base model in bf16.",
        )
    before = weight.float() if plain else torch.zeros(weight.shape, device=weight.device)
    found = torch.zeros_like(before)
    for rows, parts in pieces:
        found[rows] = updated(before[rows], parts) - before[rows]
    return found


def _bias(key: str, layer: Any, pieces: Pieces) -> Tensor | None:
    """The change of the layer's bias, (out,), float32."""
    import torch

    changes = [(rows, change) for rows, parts in pieces if (change := bias_change(parts)) is not None]
    if not changes:
        return None
    if layer.bias is None:
        raise no_bias(key)
    found = torch.zeros(layer.bias.shape)
    for rows, change in changes:
        found[rows] = change.to("cpu")
    return found


def no_bias(key: str) -> AdapterError:
    """The error for an adapter that changes a bias where there is none."""
    return AdapterError(
        f"The stack changes the bias of {key}, which has none in this base model.",
        expected="a base model whose layers have the biases that the adapters were trained with",
        hint="use the adapters with the base model that they were trained on.",
    )

"""Adapters with fixed values on the layers of a base model, which can be switched off.

Layers compute :math:`W x + \\Delta W x`, so that no weight of the base is changed or rounded, whatever its dtype.
"""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.errors import AdapterError
from ..core.words import first_of
from .binding import HasComponents, adaptable
from .fused import whole
from .kinds import LowRank
from .kinds.lora import product
from .kinds.summing import Part, bias_change, joined, updated
from .stack import Stack, no_bias
from .wrapping import Wrapped

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

Pieces = Sequence[tuple[slice, list[Part]]]
"""(output rows, updates in the order of the stack) of each part of a layer that is changed."""
Change = Callable[["Tensor"], "Tensor"]
"""What is added to a layer's output, as a function of its input."""


class Frozen:
    """A stack on the layers of some components.

    Args:
        base: that the layers belong to.
        stack: its adapters are bound to the base model.
        components: component -> module.
        dtype: of the denoiser's activations.

    Raises:
        AdapterError: an adapter changes a norm, or a bias that isn't there.
    """

    def __init__(
        self, base: HasComponents, stack: Stack, components: Mapping[str, nn.Module], dtype: torch.dtype
    ) -> None:
        self._on, self._wrapped = True, Wrapped()
        updates = _by_module(stack, components)
        layers = adaptable(components) if updates else {}
        changes = {}
        for key, layer in layers.items():
            pieces = [(rows, updates.pop(part)) for part, rows in base.file_parts(key) if part in updates]
            if pieces:
                changes[key] = _change(key, layer, pieces, dtype)
        if updates:
            raise cannot_carry([*updates])
        for key, change in changes.items():
            self._wrapped.put(layers[key], partial(self._forward, layers[key].forward, change))

    def _forward(self, base: Callable[..., Tensor], change: Change, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        out = base(x, *args, **kwargs)
        return out + change(x) if self._on else out

    @contextlib.contextmanager
    def off(self) -> Iterator[None]:
        """Within the block, the layers are as without the stack."""
        before, self._on = self._on, False
        try:
            yield
        finally:
            self._on = before

    def remove(self) -> None:
        """Restore the ``forward`` of every layer."""
        self._wrapped.remove()


def cannot_carry(modules: Sequence[str]) -> AdapterError:
    """The error for updates of layers that are neither linear nor convolutions."""
    return AdapterError(
        f"A companion changes {first_of(modules)}, which aren't linear layers or convolutions.",
        expected="a companion that leaves norms as they are, as nearly all do",
        hint="in ComfyUI, apply it to the MODEL before Base from ComfyUI, which makes it part of the base model.",
    )


def _by_module(stack: Stack, components: Mapping[str, nn.Module]) -> dict[str, list[Part]]:
    updates: dict[str, list[Part]] = defaultdict(list)
    for entry in stack.active():
        for key, update in entry.adapter.modules.items():
            if key.split(".", 1)[0] in components and (weight := entry.weight_for(key)):
                updates[key].append((update, weight))
    return updates


def _change(key: str, layer: Any, pieces: Pieces, dtype: torch.dtype) -> Change:
    """What these updates add to a layer's output."""
    import torch

    bias = _bias(key, layer, pieces)
    dtype, device = dtype if key.startswith("denoiser.") else torch.float32, layer.weight.device
    parts = [part for _, of_rows in pieces for part in of_rows]
    if all(isinstance(update, LowRank) for update, _ in parts) and getattr(layer, "groups", 1) == 1:
        low_rank = [(rows, joined(of_rows, "cpu")) for rows, of_rows in pieces]  # type: ignore[arg-type]
        out, *inner = layer.weight.shape
        down, up = whole(low_rank, out)
        factors = down.reshape(-1, *inner), up.reshape(out, -1, *[1] * len(inner[1:]))
        down, up = (factor.to(device, dtype) for factor in factors)
        return partial(_low_rank, layer, down, up, None if bias is None else bias.to(device, dtype))
    difference = _difference(key, layer, pieces).to(device, dtype)
    return partial(_dense, layer, difference, None if bias is None else bias.to(device, dtype))


def _low_rank(layer: Any, down: Tensor, up: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    found = product(layer, down.to(x.dtype), up.to(x.dtype), x)
    return found if bias is None else found + _along_channels(bias.to(x.dtype), layer)


def _dense(layer: Any, difference: Tensor, bias: Tensor | None, x: Tensor) -> Tensor:
    import torch

    difference, bias = difference.to(x.dtype), None if bias is None else bias.to(x.dtype)
    if isinstance(layer, torch.nn.Linear):
        return torch.nn.functional.linear(x, difference, bias)
    return layer._conv_forward(x, difference, bias)


def _along_channels(bias: Tensor, layer: Any) -> Tensor:
    return bias.reshape(-1, *[1] * (layer.weight.ndim - 2))


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
    found = torch.zeros(layer.weight.shape[0])
    for rows, change in changes:
        found[rows] = change.to("cpu")
    return found

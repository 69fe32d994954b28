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
from .changes import Change, change_of
from .kinds.summing import Part
from .stack import Stack
from .wrapping import Wrapped

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


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
                changes[key] = change_of(key, layer, pieces, dtype)
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

"""Layers of a base model that are several modules in adapter files, such as one projection to queries, keys, values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from .adapter import Adapter
from .binding import HasComponents, bind, changeable
from .kinds import Update
from .names import flat

if TYPE_CHECKING:
    from torch import Tensor

Places: TypeAlias = Mapping[str, Sequence[tuple[str, slice]]]
"""Layer key -> (module key in adapter files, its output rows), for each module that the layer is in files."""


def places(base: HasComponents) -> Places:
    """What the denoiser's layers are in adapter files; those that files have no name for are left out."""
    known = base.module_shapes()
    paths = [
        path
        for path, module in base.load_component("denoiser").named_modules()
        if (weight := getattr(module, "weight", None)) is not None and weight.ndim > 1
    ]
    found = {key: base.file_parts(key) for key in (f"denoiser.{path}" for path in paths)}
    return {key: parts for key, parts in found.items() if parts and all(part in known for part, _ in parts)}


def bind_to(base: HasComponents, adapter: Adapter) -> Adapter:
    """The adapter with the module keys of a base model; updates of its fused layers are cut into what files have.

    Raises:
        AdapterError: a module is missing or has another shape, or its kind can't be cut.
    """
    fused = {
        flat(key): parts for key, parts in places(base).items() if len(parts) > 1 or flat(parts[0][0]) != flat(key)
    }
    modules: dict[str, Update] = {}
    for name, update in adapter.modules.items():
        if parts := fused.get(flat(name)):
            modules |= {part: update.rows(rows) for part, rows in parts}
        else:
            modules[name] = update
    return bind(replace(adapter, modules=modules), base.module_shapes())


def base_weights(base: HasComponents, keys: Iterable[str]) -> Callable[[str], Tensor]:
    """A function from a module key to the base model's weight, or its part of a fused layer's.

    Args:
        base: the base model.
        keys: of all modules that it will be asked for; only their components are loaded.
    """
    names = dict.fromkeys(key.split(".", 1)[0] for key in keys)
    layers = changeable({name: base.load_component(name) for name in names})
    found = {part: (layer, rows) for key, layer in layers.items() for part, rows in base.file_parts(key)}

    def weight(key: str) -> Tensor:
        layer, rows = found[key]
        return layer.weight.detach()[rows]

    return weight

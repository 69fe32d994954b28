"""Finding the modules of a base model that an adapter's names mean."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeAlias, cast

from ..core.errors import AdapterError
from ..core.layers import layers_of
from ..core.words import first_of
from .adapter import Adapter
from .kinds import Update
from .ldm_names import ldm_names
from .names import flat
from .summing import summed

if TYPE_CHECKING:
    from torch import nn

    from ..core.layers import Layer

    Weighted: TypeAlias = Layer | nn.LayerNorm

_DENOISER = "denoiser."
_SHOWN = 3
"""Number of examples in an error."""


class HasComponents(Protocol):
    """A base model whose weights can be replaced, such as any ``Backbone``."""

    def module_shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Module key -> shape of its weight."""
        ...

    def load_component(self, name: str) -> nn.Module:
        """The module of a component."""
        ...

    def file_parts(self, key: str) -> Sequence[tuple[str, slice]]:
        """The modules in adapter files that make up a layer; see ``Backbone.file_parts``."""
        ...


def adaptable(components: Mapping[str, nn.Module]) -> dict[str, Weighted]:
    """Module key -> module, for every linear layer and convolution of the components."""
    return {key: layer for component, root in components.items() for key, layer in layers_of(component, root).items()}


def changeable(components: Mapping[str, nn.Module]) -> dict[str, Weighted]:
    """Module key -> module, for every layer that adapters of others may change: those of ``adaptable``, and norms.

    Norms are known by their weight, a vector, since model libraries have classes of their own for them.
    """
    from torch import Tensor

    found = adaptable(components)
    for component, root in components.items():
        for path, module in root.named_modules():
            key = f"{component}.{path}"
            weight = None if key in found else getattr(module, "weight", None)
            if isinstance(weight, Tensor) and weight.ndim == 1:
                found[key] = cast("Weighted", module)
    return found


def shapes(modules: Mapping[str, Weighted]) -> dict[str, tuple[int, ...]]:
    """Module key -> shape of its weight."""
    return {key: tuple(module.weight.shape) for key, module in modules.items()}


def bind(adapter: Adapter, known: Mapping[str, tuple[int, ...]]) -> Adapter:
    """The adapter with the module keys of a base model, after checking that all modules fit.

    Args:
        adapter: from a file or from training.
        known: module key -> shape of its weight, from ``Backbone.module_shapes()``.

    Raises:
        AdapterError: a module is missing or has another shape, as for adapters of other families.
    """
    by_flat_name = keys_by_name(known)
    bound: dict[str, list[Update]] = defaultdict(list)
    missing, misfits = [], []
    for name, update in adapter.modules.items():
        key = by_flat_name.get(flat(name))
        if key is None:
            missing.append(name)
            continue
        if not update.fits(known[key]):
            misfits.append(f"{key} has shape {known[key]}, the adapter was made for {update.made_for}")
        bound[key].append(update)
    if missing or misfits:
        raise _does_not_fit(adapter, missing, misfits, known=sorted(known))
    return replace(adapter, modules={key: summed(updates, key) for key, updates in bound.items()}, bound=True)


def keys_by_name(known: Iterable[str]) -> dict[str, str]:
    """Flat name in files -> module key: diffusers' names and, for a UNet, ldm's."""
    known = list(known)
    paths = [key.removeprefix(_DENOISER) for key in known if key.startswith(_DENOISER)]
    ldm = {flat(_DENOISER + name): _DENOISER + path for path, name in ldm_names(paths).items()}
    return ldm | {flat(key): key for key in known}


def _does_not_fit(adapter: Adapter, missing: list[str], misfits: list[str], *, known: list[str]) -> AdapterError:
    total = len(adapter.modules)
    fitting = total - len(missing) - len(misfits)
    lines = [f"The adapter {adapter.name} doesn't fit this base model: {fitting} of its {total} modules match."]
    for label, names in (("Not in the base model", missing), ("Wrong shape", misfits)):
        if names:
            lines.append(f"{label}: {first_of(names, _SHOWN, '; ')}.")
    made_for = f" It was made for {adapter.family}." if adapter.family else ""
    return AdapterError(
        "\n".join(lines),
        expected=f"modules of this base model, such as {', '.join(known[:_SHOWN])}",
        hint=f"use the adapter with a base model of the family that it was trained on.{made_for}",
    )

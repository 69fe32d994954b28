"""What the names and shapes of an adapter's tensors tell: kinds, ranks, targets and family."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from ..adapters.block_names import level_of
from ..adapters.kinds import KINDS
from ..adapters.names import flat, parse
from ..adapters.unused import ANY_ADAPTER, EMBEDDING, reason
from .families import family_of_modules

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layout:
    """What tensors there are, summed up."""

    kinds: tuple[str, ...] = ()
    """Of its updates, the most frequent first."""
    ranks: tuple[int, ...] = ()
    """Distinct ones, ascending; of changes as a whole only if there are no others."""
    targets: Mapping[str, int] = field(default_factory=dict)
    """Level of blocks, such as ``down.1`` -> number of modules."""
    modules: int = 0
    family: str = ""
    alpha: str = ""
    """Name of the first module's alpha among the tensors."""
    is_adapter: bool = False
    """Whether any tensor is one of an adapter, of a kind known here or not."""


def layout_of(shapes: Mapping[str, Shape]) -> Layout:
    """Sum up tensors.

    Args:
        shapes: name of each tensor, as in a file -> its shape.
    """
    modules: dict[str, _Module] = {}
    others: list[str] = []
    for name, shape in shapes.items():
        if name.startswith(EMBEDDING):
            continue
        key = parse(name)
        if key is None:
            others.append(name)
            continue
        module = modules.setdefault(key.stem, _Module(key.module))
        module.shapes[key.part], module.names[key.part] = shape, name
    found = [module for module in modules.values() if module.shapes.keys() != {"alpha"}]
    keys = {flat(module.key): module.key for module in found}  # one module may have two names
    kinds = Counter(kind for module in found if (kind := module.kind))
    unread = Counter(filter(None, map(reason, others)))
    return Layout(
        kinds=tuple(kind for kind, _ in (kinds + unread if found or _any_adapter(others) else kinds).most_common()),
        ranks=_ranks(found),
        targets=dict(Counter(map(level_of, keys.values()))),
        modules=len(keys),
        family=family_of_modules({module.key: module.shapes for module in found}),
        alpha=next((module.names["alpha"] for module in found if "alpha" in module.names), ""),
        is_adapter=bool(found) or _any_adapter(others),
    )


@dataclass
class _Module:
    """The tensors of one module under one name."""

    key: str
    shapes: dict[str, Shape] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        return next((kind.name for kind in KINDS if kind.claims(self.shapes.keys())), "")


def _ranks(modules: list[_Module]) -> tuple[int, ...]:
    """As of :attr:`Adapter.rank`: norms and biases, changed as a whole, don't count beside others."""
    scaled, whole = set[int](), set[int]()
    for module in modules:
        if module.kind:
            kind = KINDS.get(module.kind)
            with suppress(IndexError, ValueError):
                (scaled if kind.scaled else whole).add(kind.rank_of(module.shapes))
    return tuple(sorted(scaled or whole))


def _any_adapter(names: list[str]) -> bool:
    return any(ANY_ADAPTER.search(name) for name in names)

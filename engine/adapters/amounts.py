"""What the adapters of a stack amount to, again and again as a user changes their weights.

:mod:`interference` measures a stack at its weights. Here the inner products of each two adapters at weight 1 are kept
by layer, so that another weight, a block weight or a row that is turned off costs a sum, and no file is read again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from pathlib import Path

from ..core.errors import AdapterError
from ..core.lru import LRU
from .adapter import Adapter
from .block_weights import BlockWeights, fitting
from .file_cache import FILES
from .folders import state
from .interference import Factors, check_shapes
from .kinds import Update
from .names import flat
from .stack import sum_of_weights, weight_for
from .stack_report import BEST, BREAKS

_MOST_FILES, _MOST_PAIRS = 500, 500


@dataclass(frozen=True)
class Outline:
    """What is kept of a file."""

    name: str
    family: str
    modules: tuple[str, ...]
    measured: Mapping[str, str]
    """Flat form of a module's name -> the name, for modules that change a matrix."""
    additive: bool
    """Whether its changes are known without the base model."""


@dataclass(frozen=True)
class Weighed:
    """An adapter's file with its weights, one of which isn't 0."""

    path: Path
    weight: float
    text_encoder_weight: float
    blocks: str = ""
    """Block weights as they are written."""


@dataclass(frozen=True)
class Amount:
    """What some adapters amount to; :mod:`stack_report` has the limits."""

    total_weight: float
    effective_total: float | None
    """``None`` where nothing can be measured: no base model fits all of them, or all depend on its weights."""
    unmeasured: tuple[str, ...]
    """Names of adapters that don't count, since what they change depends on the base model's weights."""

    @property
    def breaks(self) -> bool:
        """Whether pictures are likely to be broken."""
        return (self.effective_total or 0) > BREAKS

    @property
    def factor(self) -> float:
        """What all weights should be multiplied by; 1 where nothing is wrong."""
        return BEST / self.effective_total if self.breaks and self.effective_total else 1.0


_OUTLINES: LRU[Outline] = LRU(_MOST_FILES)
_PRODUCTS: LRU[dict[str, float]] = LRU(_MOST_PAIRS)


def amount_of(adapters: Sequence[Weighed]) -> Amount:
    """What adapters amount to at their weights.

    Raises:
        AdapterError: a file is missing or damaged.
        ConfigError: block weights don't fit their adapter.
    """
    outlines = [_outline(own.path) for own in adapters]
    blocks = [_blocks(own, outline) for own, outline in zip(adapters, outlines, strict=True)]
    total = sum_of_weights(
        (own.weight, own_blocks, outline.modules)
        for own, own_blocks, outline in zip(adapters, blocks, outlines, strict=True)
    )
    counted = [at for at, outline in enumerate(outlines) if outline.additive]
    shares = [_shares(adapters[at], blocks[at], outlines[at]) for at in counted]
    one_family = len({outline.family for outline in outlines} - {""}) < 2
    return Amount(
        total_weight=total,
        effective_total=_effective([adapters[at].path for at in counted], shares) if one_family else None,
        unmeasured=tuple(outline.name for outline in outlines if not outline.additive),
    )


def _effective(paths: Sequence[Path], shares: Sequence[Mapping[str, float]]) -> float | None:
    """As :attr:`Interference.effective_total`."""
    together = alone = 0.0
    try:
        for one, other in combinations_with_replacement(range(len(paths)), 2):
            products = _products(paths[one], paths[other])
            twice = 1 if one == other else 2
            for key in shares[one].keys() & shares[other].keys() & products.keys():
                together += twice * shares[one][key] * shares[other][key] * products[key]
                alone += products[key] if one == other else 0
    except AdapterError:
        return None
    return (max(0.0, together) / (alone / len(paths))) ** 0.5 if alone else None


def _shares(own: Weighed, blocks: BlockWeights | None, outline: Outline) -> dict[str, float]:
    """The weight in each layer where it isn't 0."""
    every = ((key, weight_for(name, own.weight, own.text_encoder_weight, blocks))
             for key, name in outline.measured.items())  # fmt: skip
    return {key: weight for key, weight in every if weight}


def _blocks(own: Weighed, outline: Outline) -> BlockWeights | None:
    return fitting(own.blocks, outline.modules, family=outline.family, name=outline.name)


def _outline(path: Path) -> Outline:
    return _OUTLINES.get(path, lambda: _outlined(FILES.read(path).adapter), version=str(state(path)))


def _outlined(adapter: Adapter) -> Outline:
    return Outline(
        name=adapter.name,
        family=adapter.family,
        modules=tuple(adapter.modules),
        measured={flat(key): key for key, _ in _measured(adapter)},
        additive=all(update.additive for update in adapter.modules.values()),
    )


def _products(one: Path, other: Path) -> dict[str, float]:
    """Layer -> the inner product of the two adapters' changes at weight 1.

    Raises:
        AdapterError: the adapters are for different models.
    """
    first, second = sorted((one, other))

    def multiplied() -> dict[str, float]:
        theirs = {flat(key): update for key, update in _measured(FILES.read(second).adapter)}
        return dict(_multiplied(_measured(FILES.read(first).adapter), theirs))

    return _PRODUCTS.get((first, second), multiplied, version=str([state(first), state(second)]))


def _multiplied(ours: Iterable[tuple[str, Update]], theirs: Mapping[str, Update]) -> Iterable[tuple[str, float]]:
    for key, update in ours:
        other = theirs.get(flat(key))
        if other is not None:
            check_shapes(key, [update, other])
            yield flat(key), Factors.of(update, 1, None).inner(Factors.of(other, 1, None))


def _measured(adapter: Adapter) -> Iterable[tuple[str, Update]]:
    """Its updates of matrices."""
    return (
        (key, update)
        for key, update in adapter.modules.items()
        if not update.only_bias and len(update.weight_shape) > 1
    )

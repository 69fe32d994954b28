"""What an adapter changes, layer by layer: how much, and in how many directions."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from ..adapters.adapter import Adapter
from ..adapters.block_names import by_level, in_order
from ..adapters.fused import bind_to
from ..adapters.spectra import Spectrum, spectrum, without_weight
from ..core.events import Event, Progress
from ..core.words import counted, first_of

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.contract import Backbone

NEARLY_ALL = 0.99
"""Share of an update's energy, for the rank that would be enough."""
_STRONGEST = 5
"""Layers that the report names."""


@dataclass(frozen=True)
class LayerMeasures:
    """What is measured of the update of one layer."""

    spectrum: Spectrum
    weight_norm: float = 0.0
    """Frobenius norm of the base model's weight; 0 without a base model."""

    @property
    def norm(self) -> float:
        return self.spectrum.norm


@dataclass(frozen=True)
class BlockMeasures:
    """Those of a block's layers together."""

    layers: int
    norm: float
    """Frobenius norm of all its updates together."""
    weight_norm: float
    """Of the weights that they change; 0 without a base model."""
    rank: int
    """The largest."""
    effective_rank: float
    """Mean of its layers."""
    enough: int
    """Rank that has nearly all energy of its layers, in the middle of them."""

    @staticmethod
    def of(layers: Sequence[LayerMeasures]) -> BlockMeasures:
        return BlockMeasures(
            layers=len(layers),
            norm=math.hypot(*(layer.norm for layer in layers)),
            weight_norm=math.hypot(*(layer.weight_norm for layer in layers)),
            rank=max(layer.spectrum.rank for layer in layers),
            effective_rank=fmean(layer.spectrum.effective_rank for layer in layers),
            enough=round(median(layer.spectrum.enough(NEARLY_ALL) for layer in layers)),
        )

    @property
    def relative(self) -> float | None:
        """Norm over that of the weights; ``None`` without a base model."""
        return self.norm / self.weight_norm if self.weight_norm else None


@dataclass(frozen=True)
class Measures:
    """What is measured of an adapter."""

    name: str
    description: str
    """Kinds, ranks and alphas, in words."""
    layers: Mapping[str, LayerMeasures]
    """By module key."""
    unmeasured: tuple[str, ...] = ()
    """Modules whose change depends on the base model's weights, where there was none."""
    turned: int = 0
    """Number of DoRA's modules of which only what turns the weight was measured, without a base model."""

    @property
    def whole(self) -> BlockMeasures | None:
        """All layers together; ``None`` if none was measured."""
        return BlockMeasures.of([*self.layers.values()]) if self.layers else None

    def blocks(self) -> dict[str, BlockMeasures]:
        """By level of blocks, such as ``down.1``, in the order of the model."""
        found = by_level(self.layers)
        return {block: BlockMeasures.of(found[block]) for block in in_order(found)}

    def report(self) -> dict[str, Any]:
        """As plain values."""
        whole = self.whole
        return {
            "name": self.name, "description": self.description, "unmeasured": len(self.unmeasured),
            **({"all": _facts(whole)} if whole else {}),
            "blocks": {block: _facts(own) for block, own in self.blocks().items()},
        }  # fmt: skip

    def __str__(self) -> str:
        """As Markdown: a sentence on all, a table of the blocks, and the strongest layers."""
        return "\n".join(_text(self))


def measure(adapter: Adapter, base: Backbone | None = None) -> Generator[Event, None, Measures]:
    """Measure every update of an adapter, at weight 1 in a stack.

    Args:
        adapter: of any kinds.
        base: the base model, for norms beside those of its weights, and for kinds that depend on these.

    Raises:
        AdapterError: the adapter doesn't fit the base model.
    """
    weights: dict[str, Tensor] = {}
    if base is not None:
        adapter = bind_to(base, adapter)
        weights = yield from _weights(base, adapter)
    layers: dict[str, LayerMeasures] = {}
    unmeasured, turned = [], 0
    for done, (key, update) in enumerate(adapter.modules.items(), 1):
        weight = weights.pop(key, None)
        measured = update if weight is not None else without_weight(update)
        turned += measured is not update
        if (found := spectrum(measured, weight)) is None:
            unmeasured.append(key)
        elif not update.only_bias:
            layers[key] = LayerMeasures(found, 0.0 if weight is None else float(weight.float().norm()))
        yield Progress(done=done, total=len(adapter.modules), label="measuring layers")
    return Measures(adapter.name, adapter.description, layers, tuple(unmeasured), turned)


def _weights(base: Backbone, adapter: Adapter) -> Generator[Event, None, dict[str, Tensor]]:
    """Module key, as files have it -> weight, for what the adapter changes."""
    found: dict[str, Tensor] = {}
    for component in dict.fromkeys(key.split(".", 1)[0] for key in adapter.modules):
        for key, weight in base.layer_weights(component):
            found |= {part: weight[rows] for part, rows in base.file_parts(key) if part in adapter.modules}
            yield Event()
    return found


def _facts(block: BlockMeasures) -> dict[str, Any]:
    relative = block.relative
    return {
        "layers": block.layers, "norm": round(block.norm, 6), "rank": block.rank,
        "effective_rank": round(block.effective_rank, 3), "enough": block.enough,
        **({} if relative is None else {"relative": round(relative, 6)}),
    }  # fmt: skip


def _text(measures: Measures) -> Generator[str]:
    yield f"{measures.name}: {measures.description}"
    if whole := measures.whole:
        yield f"{_sentence(whole)}\n"
        relative = "" if whole.relative is None else " | of the weight"
        yield f"| block | layers | norm{relative} | rank | effective rank | for 99 % |"
        yield f"| --- | --: | --: |{' --: |' if relative else ''} --: | --: | --: |"
        yield from (_row(block, own) for block, own in measures.blocks().items())
        strongest = sorted(measures.layers, key=lambda key: -measures.layers[key].norm)[:_STRONGEST]
        told = (f"`{key}` {measures.layers[key].norm:.3g}" for key in strongest)
        yield f"\nStrongest layers: {', '.join(told)}."
    if measures.turned:
        yield f"{counted(measures.turned, 'module')} of DoRA without their magnitudes, which need the base model."
    if measures.unmeasured:
        yield (
            f"Not measured without a base model: {counted(len(measures.unmeasured), 'module')}, such as "
            f"{first_of(measures.unmeasured, 1)}."
        )


def _sentence(whole: BlockMeasures) -> str:
    share = "" if whole.relative is None else f", {whole.relative:.2%} of the weights that it changes"
    return (
        f"Norm {whole.norm:.4g}{share}; effective rank {whole.effective_rank:.1f} of {whole.rank} on average; rank "
        f"{whole.enough} would have 99 % of the energy in half of the layers."
    )


def _row(name: str, block: BlockMeasures) -> str:
    relative = "" if block.relative is None else f" {block.relative:.2%} |"
    return (
        f"| {name} | {block.layers} | {block.norm:.3g} |{relative} {block.rank} | {block.effective_rank:.1f} | "
        f"{block.enough} |"
    )

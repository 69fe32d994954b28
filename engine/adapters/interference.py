r"""What the adapters of a stack do to each other: measured on their updates, without drawing a picture.

With :math:`D_i = w_i \Delta W_i`, the change of a weight by the i-th adapter at its weight, everything that depends on
Frobenius norms follows from the inner products :math:`G_{ij} = \langle D_i, D_j \rangle`, which factors give without
their product: :math:`\langle B_i A_i, B_j A_j \rangle = \langle B_i^T B_j, A_i A_j^T \rangle`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import prod
from typing import TYPE_CHECKING

from ..core.errors import AdapterError
from ..core.words import first_of
from .binding import HasComponents
from .block_names import by_level
from .fused import bind_to
from .kinds import LowRank, Update
from .names import flat
from .stack import Stack, StackEntry

if TYPE_CHECKING:
    from torch import Tensor

_NOTHING = 1e-12


@dataclass(frozen=True)
class Factors:
    """A change of a weight, (out, in), as a product."""

    up: Tensor
    """(out, r), float32."""
    down: Tensor | None
    """(r, in), float32; ``None`` for a change that is ``up`` itself."""

    @classmethod
    def of(cls, update: Update, share: float, weight: Tensor | None) -> Factors:
        """Of an update at its weight in a stack.

        Args:
            update: any that changes a matrix.
            share: its weight.
            weight: of the base model, which updates that aren't additive change.
        """
        import torch

        if isinstance(update, LowRank):
            scale = share * update.alpha / update.rank
            return cls(update.up.detach().float().flatten(1) * scale, update.down.detach().float().flatten(1))
        before = torch.zeros(update.weight_shape) if weight is None else weight.detach().float()
        return cls(update.change(before, share).detach().float().flatten(1), None)

    def inner(self, other: Factors) -> float:
        """Inner product of the two changes."""
        if self.down is None:
            return float((self.up * other.product()).sum())
        if other.down is None:
            return other.inner(self)
        return float(((self.up.T @ other.up) * (self.down @ other.down.T)).sum())

    def product(self) -> Tensor:
        """The change itself."""
        return self.up if self.down is None else self.up @ self.down

    @cached_property
    def inputs(self) -> Tensor:
        """Orthonormal directions of its input, (in, k), those that it answers to."""
        return _directions(self.product() if self.down is None else _triangle(self.up) @ self.down)

    @cached_property
    def outputs(self) -> Tensor:
        """Orthonormal directions of its output, (out, k), those that it moves."""
        return _directions((self.product() if self.down is None else self.up @ _triangle(self.down.T).T).T)


def _triangle(matrix: Tensor) -> Tensor:
    """R of a matrix Q R with orthonormal columns Q: it has the matrix's singular values, in a small square."""
    import torch

    return torch.linalg.qr(matrix, mode="r").R


def _directions(matrix: Tensor) -> Tensor:
    """Right singular vectors, (n, k), of values above rounding."""
    import torch

    _, s, vh = torch.linalg.svd(matrix, full_matrices=False)
    return vh[s > 1e-5 * s[0]].T if len(s) and s[0] > 0 else vh[:0].T


@dataclass(frozen=True, kw_only=True)
class Layer:
    """One layer that adapters of the stack change."""

    key: str
    gram: Tensor
    """Inner products of the adapters' changes, (n, n), float64; zero rows for those that leave it alone."""
    alone: Tensor
    """Squared norms of their changes at weight 1, (n,), float64."""
    base: float
    """Frobenius norm of the base model's weight; NaN without a base model."""
    overlaps: Mapping[tuple[int, int], tuple[float, float, float]]
    """Pair of adapters -> overlap of their inputs, of their outputs, and by how much chance inputs overlap."""


@dataclass(frozen=True)
class Share:
    """What the adapters do to a block, or to all of it."""

    gram: Tensor
    """Sum of its layers'."""
    base: float
    """Frobenius norm of the base model's weights; NaN without a base model."""

    @property
    def norms(self) -> Tensor:
        """Of each adapter's change at its weight, (n,)."""
        return self.gram.diagonal().clamp(min=0).sqrt()

    @property
    def total(self) -> float:
        """Norm of the sum of all changes."""
        return max(0.0, float(self.gram.sum())) ** 0.5

    @property
    def owned(self) -> Tensor:
        r"""Share of the sum that each adapter owns, (n,): :math:`\langle D_i, \sum D \rangle / \|\sum D\|^2`.

        They add up to 1; one that works against the sum has a negative share.
        """
        return self.gram.sum(1) / max(float(self.gram.sum()), _NOTHING)

    @property
    def cosines(self) -> Tensor:
        """Of the angle between each two changes, (n, n), -1 to 1; 0 where one of them is nothing."""
        norms = self.norms
        return self.gram / (norms[:, None] * norms[None]).clamp(min=_NOTHING)

    @property
    def relative(self) -> float:
        """Norm of the sum over that of the base model's weights; NaN without a base model."""
        return self.total / self.base if self.base else float("nan")

    @property
    def strength(self) -> float:
        """How strongly it is changed: relative to its weights where they are known."""
        return self.total if math.isnan(self.base) else self.relative


@dataclass(frozen=True, kw_only=True)
class Interference:
    """What the active adapters of a stack do to each other."""

    entries: tuple[StackEntry, ...]
    layers: tuple[Layer, ...]
    unmeasured: tuple[str, ...] = ()
    """Names of adapters that change weights which aren't known, and don't count."""

    @cached_property
    def whole(self) -> Share:
        """All layers together."""
        return _together(self.layers)

    @cached_property
    def blocks(self) -> dict[str, Share]:
        """Block -> what is done to it, such as ``down.1`` or ``te.3``, in the order of the layers."""
        found = by_level({layer.key: layer for layer in self.layers})
        return {block: _together(layers) for block, layers in found.items()}

    @cached_property
    def effective_total(self) -> float:
        r"""How many adapters at weight 1 the stack amounts to.

        :math:`\|\sum_i D_i\|` over the root mean square of :math:`\|\Delta W_i\|`: adapters that don't overlap add up
        as :math:`\sqrt{\sum w_i^2}`, equal ones as :math:`\sum w_i`, and opposite ones cancel.
        """
        alone = sum(float(layer.alone.sum()) for layer in self.layers)
        count = len(self.entries) - len(self.unmeasured)
        return self.whole.total / (alone / count) ** 0.5 if alone else 0.0

    def overlap(self, one: int, other: int) -> tuple[float, float, float]:
        """Mean overlap of two adapters' inputs, of their outputs, and by chance, over the layers of both."""
        found = [layer.overlaps[one, other] for layer in self.layers if (one, other) in layer.overlaps]
        if not found:
            return 0.0, 0.0, 0.0
        inputs, outputs, chance = (sum(values) / len(found) for values in zip(*found, strict=True))
        return inputs, outputs, chance


def interference(stack: Stack, base: HasComponents | None = None, *, overlaps: bool = True) -> Interference:
    """Measure what the active adapters of a stack do to each other.

    Args:
        stack: adapters of one family.
        overlaps: whether to compare the directions of inputs and outputs, which takes nearly all of the time.
        base: the base model, for norms beside its weights, and for updates that depend on them. Without it, adapters
            with such updates are left out, and named.

    Raises:
        AdapterError: the adapters are for different models, or one doesn't fit the base model.
    """
    entries = stack.active()
    adapters = [bind_to(base, entry.adapter) if base else entry.adapter for entry in entries]
    changed: dict[str, dict[int, tuple[Update, float]]] = defaultdict(dict)
    unmeasured = []
    for number, (entry, adapter) in enumerate(zip(entries, adapters, strict=True)):
        if base is None and not all(update.additive for update in adapter.modules.values()):
            unmeasured.append(adapter.name)
            continue
        for key, update in adapter.modules.items():
            if (share := entry.weight_for(key)) and not update.only_bias and len(update.weight_shape) > 1:
                changed[key if base else flat(key)][number] = update, share
    weights = _weights(base, changed)
    return Interference(
        entries=entries,
        layers=tuple(_layer(key, parts, len(entries), weights.get(key), overlaps) for key, parts in changed.items()),
        unmeasured=tuple(unmeasured),
    )


def _weights(base: HasComponents | None, keys: Iterable[str]) -> dict[str, Tensor]:
    """Module key -> the base model's weight, or its rows of a fused layer's."""
    from .binding import changeable

    if base is None:
        return {}
    layers = changeable({name: base.load_component(name) for name in dict.fromkeys(k.split(".", 1)[0] for k in keys)})
    return {part: layer.weight.detach()[rows] for key, layer in layers.items() for part, rows in base.file_parts(key)}


def _layer(
    key: str, parts: Mapping[int, tuple[Update, float]], count: int, weight: Tensor | None, overlaps: bool
) -> Layer:
    import torch

    check_shapes(key, [update for update, _ in parts.values()])
    factors = {number: Factors.of(update, share, weight) for number, (update, share) in parts.items()}
    gram, places = torch.zeros(count, count, dtype=torch.float64), torch.tensor([*factors])
    gram[places[:, None], places[None]] = _products([*factors.values()])
    alone = torch.zeros(count, dtype=torch.float64)
    for number, (_, share) in parts.items():
        alone[number] = gram[number, number] / share**2
    found = {pair: _overlap(*(factors[n] for n in pair)) for pair in combinations(factors, 2)} if overlaps else {}
    norm = float("nan") if weight is None else float(weight.float().norm())
    return Layer(key=key, gram=gram, alone=alone, base=norm, overlaps=found)


def _products(factors: Sequence[Factors]) -> Tensor:
    """The inner products of each two changes, (n, n), float64: of all factors at once where all have them."""
    import torch

    downs = [own.down for own in factors if own.down is not None]
    if len(downs) < len(factors):
        return torch.tensor([[one.inner(other) for other in factors] for one in factors], dtype=torch.float64)
    up, down = torch.cat([own.up for own in factors], dim=1), torch.cat(downs)
    owner = torch.repeat_interleave(torch.arange(len(factors)), torch.tensor([len(own) for own in downs]))
    whose = torch.nn.functional.one_hot(owner, len(factors)).double().to(up.device)
    return (whose.T @ ((up.T @ up) * (down @ down.T)).double() @ whose).cpu()


def check_shapes(key: str, updates: Sequence[Update]) -> None:
    """
    Raises:
        AdapterError: the updates of a layer are of different models.
    """
    shapes = {(update.weight_shape[0], prod(update.weight_shape[1:])) for update in updates}
    if len(shapes) > 1:
        told = first_of([str(shape) for shape in sorted(shapes)], 3)
        raise AdapterError(
            f"The adapters of the stack change {key} in different shapes: {told}.",
            expected="adapters of one family of base models",
            hint="leave out those of another family.",
        )


def _overlap(one: Factors, other: Factors) -> tuple[float, float, float]:
    r"""Overlap of inputs and of outputs, and of inputs by chance.

    :math:`\|V_1^T V_2\|_F^2 / \min(r_1, r_2)`, eq. 4 of Hu et al. 2021 (arXiv:2106.09685): 1 where one subspace holds
    the other, and :math:`\max(r_1, r_2) / n` for random ones.
    """
    inputs, outputs = ((getattr(one, side), getattr(other, side)) for side in ("inputs", "outputs"))
    chance = max(inputs[0].shape[1], inputs[1].shape[1]) / inputs[0].shape[0]
    return _of_subspaces(*inputs), _of_subspaces(*outputs), chance


def _of_subspaces(one: Tensor, other: Tensor) -> float:
    smaller = min(one.shape[1], other.shape[1])
    return float((one.T @ other).square().sum()) / smaller if smaller else 0.0


def _together(layers: Sequence[Layer]) -> Share:
    import torch

    if not layers:
        return Share(torch.zeros(0, 0, dtype=torch.float64), float("nan"))
    return Share(sum((layer.gram for layer in layers[1:]), layers[0].gram), sum(x.base**2 for x in layers) ** 0.5)

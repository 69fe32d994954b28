"""Full differences: weights and biases as they are after training minus those before, of any layer, norms included."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING

from .contract import BIAS, AdapterKind, Suffix, Update

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Difference(Update):
    r""":math:`\Delta W` itself."""

    kind = "full"
    scaled = False

    difference: Tensor | None
    """Of the weight's shape; ``None`` if only the bias changes."""
    bias: Tensor | None = None
    alpha: float = 1.0
    """Not used: lycoris writes none, and other programs ignore it."""

    @property
    def only_bias(self) -> bool:
        return self.difference is None

    @property
    def rank(self) -> int:
        return (
            1 if self.difference is None else min(self.difference.flatten(1).shape) if self.difference.ndim > 1 else 1
        )

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return () if self.difference is None else tuple(self.difference.shape)

    def fits(self, shape: tuple[int, ...]) -> bool:
        if self.difference is None:
            return self.bias is not None and len(self.bias) == shape[0]
        return self.weight_shape == tuple(shape) or (len(self.weight_shape) > 1 and super().fits(shape))

    def delta(self, weight: Tensor) -> Tensor:
        import torch

        if self.difference is None:
            return torch.zeros_like(weight, dtype=torch.float32)
        return self.difference.to(weight.device).float().reshape(weight.shape)

    def rows(self, rows: slice) -> Difference:
        difference, bias = (None if whole is None else whole[rows] for whole in (self.difference, self.bias))
        return Difference(difference, bias)

    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        del alpha_apart
        own = {"difference": self.difference, "bias": self.bias}
        return {part: tensor.detach() for part, tensor in own.items() if tensor is not None}


class Full(AdapterKind):
    name = "full"
    scaled = False
    network_module = "lycoris.kohya"
    suffixes = {"difference": Suffix(".diff", ".diff"), "bias": BIAS}  # noqa: RUF012
    aliases = {".w_norm": "difference", ".b_norm": "bias", ".alpha": "alpha"}  # noqa: RUF012
    needs = frozenset()

    def claims(self, parts: AbstractSet[str]) -> bool:
        return bool({"difference", "bias"} & parts) and super().claims(parts)

    def rank_of(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        out, *inner = shapes.get("difference") or (1,)
        return min(out, prod(inner)) if inner else 1

    def from_parts(self, parts: Mapping[str, Tensor], module: str) -> Difference:
        difference = parts.get("difference")
        if difference is not None and difference.ndim == 0:
            raise ValueError(f"{module} has a difference without a shape")
        return Difference(difference)

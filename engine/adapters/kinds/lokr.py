"""LoKr: Kronecker products of small matrices, whose larger one may be of low rank, as in lycoris (arXiv:2309.14859)."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .contract import ALPHA, BIAS, AdapterKind, Suffix, Update, alpha_of, common_parts
from .loha import with_core

if TYPE_CHECKING:
    from torch import Tensor

_PARTS = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")
_SIDES = tuple(
    (first, second)
    for first in ({"lokr_w1"}, {"lokr_w1_a", "lokr_w1_b"})
    for second in ({"lokr_w2"}, {"lokr_w2_a", "lokr_w2_b"}, {"lokr_w2_a", "lokr_w2_b", "lokr_t2"})
)
"""The ways to give both matrices."""


@dataclass(frozen=True)
class Kronecker(Update):
    r""":math:`\Delta W = \frac{\alpha}{r} W_1 \otimes W_2`, each matrix whole or a product of two factors.

    Without factors there is no rank, and files hold whatever alpha: lycoris and ComfyUI leave the scale at 1 then.
    """

    kind = "lokr"

    tensors: Mapping[str, Tensor]
    """Part -> tensor. ``lokr_w1`` (a, c) or ``lokr_w1_a`` (a, rank) and ``lokr_w1_b`` (rank, c); ``lokr_w2`` (b, d, kh,
    kw) or ``lokr_w2_a`` (b, rank) and ``lokr_w2_b`` (rank, d · kh · kw), with ``lokr_t2`` (rank, rank, kh, kw) between
    ``lokr_w2_a`` (rank, b) and ``lokr_w2_b`` (rank, d). The weight has a · b rows and c · d columns."""
    alpha: float
    bias: Tensor | None = None

    @property
    def rank(self) -> int:
        factor = self.tensors.get("lokr_w2_b", self.tensors.get("lokr_w1_b"))
        return factor.shape[0] if factor is not None else min(self.tensors["lokr_w2"].shape[:2])

    @property
    def weight_shape(self) -> tuple[int, ...]:
        first, second = self._sides("meta")
        return first.shape[0] * second.shape[0], first.shape[1] * second.shape[1], *second.shape[2:]

    def delta(self, weight: Tensor) -> Tensor:
        import torch

        first, second = self._sides(weight.device)
        product = torch.kron(first.reshape(*first.shape, *[1] * (second.ndim - 2)), second.contiguous())
        return (self.alpha / self.rank) * product.reshape(weight.shape)

    def _sides(self, device: Any) -> tuple[Tensor, Tensor]:
        found = {part: tensor.to(device).float() for part, tensor in self.tensors.items()}
        first = found["lokr_w1"] if "lokr_w1" in found else found["lokr_w1_a"] @ found["lokr_w1_b"]
        if "lokr_w2" in found:
            return first, found["lokr_w2"]
        a, b = found["lokr_w2_a"], found["lokr_w2_b"]
        if "lokr_t2" in found:
            return first, with_core(found["lokr_t2"], a, b)
        return first, (a @ b.flatten(1)).reshape(-1, *b.shape[1:])

    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        parts = {part: tensor.detach() for part, tensor in self.tensors.items()}
        if not alpha_apart:
            scaled = "lokr_w1" if "lokr_w1" in parts else "lokr_w1_a"
            parts[scaled] = parts[scaled].float() * (self.alpha / self.rank)
        return parts | common_parts(self, alpha_apart=alpha_apart)


class Lokr(AdapterKind):
    name = "lokr"
    network_module = "lycoris.kohya"
    suffixes = {  # noqa: RUF012
        **{part: Suffix(f".{part}", f".{part}") for part in _PARTS},
        "alpha": ALPHA,
        "bias": BIAS,
    }
    needs = frozenset({"lokr_w1", "lokr_w2"})

    def claims(self, parts: AbstractSet[str]) -> bool:
        return any(parts - {"alpha", "bias"} == first | second for first, second in _SIDES)

    def from_parts(self, parts: Mapping[str, Tensor], module: str) -> Kronecker:
        tensors = {part: parts[part] for part in _PARTS if part in parts}
        update = Kronecker(tensors, 1.0)
        try:
            rank, _ = update.rank, update.weight_shape
        except (RuntimeError, IndexError) as error:
            shapes = ", ".join(f"{part} {tuple(tensor.shape)}" for part, tensor in tensors.items())
            raise ValueError(f"{module} has {shapes}, which don't make one product") from error
        whole = parts.keys() >= {"lokr_w1", "lokr_w2"}
        return Kronecker(tensors, float(rank) if whole else alpha_of(parts, module, default=rank))

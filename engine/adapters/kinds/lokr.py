"""LoKr: Kronecker products of small matrices, whose larger one may be of low rank, as in lycoris (arXiv:2309.14859)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from math import isqrt
from typing import TYPE_CHECKING, Any

from .contract import ALPHA, BIAS, Suffix, TrainableKind, Update, alpha_of, common_parts
from .loha import with_core
from .lora import kaiming_uniform

if TYPE_CHECKING:
    from torch import Generator, Tensor

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
        first, second = sides(self.tensors, "meta")
        return first.shape[0] * second.shape[0], first.shape[1] * second.shape[1], *second.shape[2:]

    def delta(self, weight: Tensor) -> Tensor:
        import torch

        first, second = sides(self.tensors, weight.device)
        product = torch.kron(first.reshape(*first.shape, *[1] * (second.ndim - 2)), second.contiguous())
        return (self.alpha / self.rank) * product.reshape(weight.shape)

    def for_comfyui(self, weight: Callable[[], Tensor]) -> Update | None:
        """As it is, unless it has a core, which ComfyUI multiplies in another order and then refuses."""
        return None if "lokr_t2" in self.tensors else super().for_comfyui(weight)

    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        parts = {part: tensor.detach() for part, tensor in self.tensors.items()}
        if not alpha_apart:
            scaled = "lokr_w1" if "lokr_w1" in parts else "lokr_w1_a"
            parts[scaled] = parts[scaled].float() * (self.alpha / self.rank)
        return parts | common_parts(self, alpha_apart=alpha_apart)

    def rows(self, rows: slice) -> Update:
        """Rows that are whole blocks, one or several for each row of the first matrix."""
        _, second = sides(self.tensors, "meta")
        start, stop, _ = rows.indices(self.weight_shape[0])
        if start == 0 and stop == self.weight_shape[0]:
            return self
        part = "lokr_w1" if "lokr_w1" in self.tensors else "lokr_w1_a"
        if start % len(second) or stop % len(second):
            return super().rows(rows)
        cut = self.tensors[part][start // len(second) : stop // len(second)]
        bias = None if self.bias is None else self.bias[rows]
        return replace(self, tensors={**self.tensors, part: cut}, bias=bias)

    def changes_anything(self) -> bool:
        return all(bool(tensor.any()) for tensor in self.tensors.values())


class Lokr(TrainableKind):
    """Trained with a first matrix that is whole.

    Args:
        factor: bound of the sides of the first matrix, which is never larger than the second.
    """

    name = "lokr"
    network_module = "lycoris.kohya"
    suffixes = {  # noqa: RUF012
        **{part: Suffix(f".{part}", f".{part}") for part in _PARTS},
        "alpha": ALPHA,
        "bias": BIAS,
    }
    needs = frozenset({"lokr_w1", "lokr_w2"})

    def __init__(self, factor: int = 8) -> None:
        self._factor = factor

    def scale(self, factors: Mapping[str, Tensor], *, rank: int, alpha: float) -> float:
        return 1.0 if "lokr_w2" in factors else alpha / rank

    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        """As in lycoris: the first matrix and one factor of the second are Kaiming-uniform, the other factor is zero.

        The second matrix is whole, and zero, where the rank is at least half its longer side.
        """
        import torch

        del weight
        (a, b), (c, d) = (_divided(side, self._factor) for side in shape[:2])
        first = {"lokr_w1": kaiming_uniform((a, c), generator)}
        if rank >= max(b, d) / 2:
            return {**first, "lokr_w2": torch.zeros(b, d, *shape[2:])}
        factors = {"lokr_w2_a": kaiming_uniform((b, rank), generator), "lokr_w2_b": torch.zeros(rank, d, *shape[2:])}
        return first | {part: factor.flatten(1) for part, factor in factors.items()}

    def forward(
        self, layer: Any, base: Callable[..., Tensor], factors: Mapping[str, Tensor], scale: float, x: Tensor,
        *args: Any, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        r""":math:`W x + (W_1 \otimes W_2) x`: the second matrix takes parts of x, the first mixes them."""
        import torch

        first, second = sides(factors, x.device)
        first, second = (first * scale).to(x.dtype), second.to(x.dtype)
        if isinstance(layer, torch.nn.Linear):
            inner = torch.nn.functional.linear(x.unflatten(-1, (first.shape[1], -1)), second)
            return base(x, *args, **kwargs) + (first @ inner).flatten(-2)
        second = second.reshape(len(second), -1, *layer.kernel_size)
        inner = layer._conv_forward(x.unflatten(1, (first.shape[1], -1)).flatten(0, 1), second, None)
        mixed = torch.einsum("ac,nc...->na...", first, inner.unflatten(0, (-1, first.shape[1])))
        return base(x, *args, **kwargs) + mixed.flatten(1, 2)

    def update(self, factors: Mapping[str, Tensor], alpha: float) -> Kronecker:
        update = Kronecker(dict(factors), alpha)
        return replace(update, alpha=float(update.rank)) if "lokr_w2" in factors else update

    def claims(self, parts: AbstractSet[str]) -> bool:
        return any(parts - {"alpha", "bias"} == first | second for first, second in _SIDES)

    def rank_of(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        factor = shapes.get("lokr_w2_b", shapes.get("lokr_w1_b"))
        return factor[0] if factor is not None else min(shapes["lokr_w2"][:2])

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


def sides(tensors: Mapping[str, Tensor], device: Any) -> tuple[Tensor, Tensor]:
    """Both matrices, float32, (a, c) and (b, d, kh, kw) or (b, d · kh · kw), from the parts that stand for them."""
    found = {part: tensor.to(device).float() for part, tensor in tensors.items()}
    first = found["lokr_w1"] if "lokr_w1" in found else found["lokr_w1_a"] @ found["lokr_w1_b"]
    if "lokr_w2" in found:
        return first, found["lokr_w2"]
    a, b = found["lokr_w2_a"], found["lokr_w2_b"]
    if "lokr_t2" in found:
        return first, with_core(found["lokr_t2"], a, b)
    return first, (a @ b.flatten(1)).reshape(-1, *b.shape[1:])


def _divided(side: int, factor: int) -> tuple[int, int]:
    """The side of a weight as a product of the largest divisor up to ``factor``, and the rest, which is no smaller."""
    small = next(n for n in range(min(factor, isqrt(side)), 0, -1) if side % n == 0)
    return small, side // small

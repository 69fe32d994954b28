"""LoHa: the elementwise product of two low-rank updates (Hyeon-Woo et al. 2022, arXiv:2108.06098), as in lycoris."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from .contract import ALPHA, BIAS, Suffix, TrainableKind, Update, alpha_of, common_parts

if TYPE_CHECKING:
    from torch import Generator, Tensor

_FACTORS = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
_CORES = ("hada_t1", "hada_t2")


@dataclass(frozen=True)
class Hadamard(Update):
    r""":math:`\Delta W = \frac{\alpha}{r} (A_1 B_1) \odot (A_2 B_2)`, eq. 2 of the paper.

    With cores T, of convolutions, each side is :math:`\sum_{ij} T_{ij} A_i B_j`, in the paper's proposition 3.
    """

    kind = "loha"

    factors: tuple[Tensor, Tensor, Tensor, Tensor]
    """A1, B1, A2, B2: (out, rank) and (rank, in · kh · kw); with cores (rank, out) and (rank, in)."""
    cores: tuple[Tensor, Tensor] | None
    """T1, T2, (rank, rank, kh, kw)."""
    alpha: float
    bias: Tensor | None = None

    @property
    def rank(self) -> int:
        return self.factors[1].shape[0]

    @property
    def weight_shape(self) -> tuple[int, ...]:
        a, b, *_ = self.factors
        if self.cores is None:
            return a.shape[0], b.shape[1]
        return a.shape[1], b.shape[1], *self.cores[0].shape[2:]

    def delta(self, weight: Tensor) -> Tensor:
        a1, b1, a2, b2 = (factor.to(weight.device).float() for factor in self.factors)
        if self.cores is None:
            product = (a1 @ b1) * (a2 @ b2)
        else:
            t1, t2 = (core.to(weight.device).float() for core in self.cores)
            product = with_core(t1, a1, b1) * with_core(t2, a2, b2)
        return (self.alpha / self.rank) * product.reshape(weight.shape)

    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        parts = dict(zip(_FACTORS, (factor.detach() for factor in self.factors), strict=True))
        if not alpha_apart:
            parts["hada_w1_a"] = parts["hada_w1_a"].float() * (self.alpha / self.rank)
        if self.cores is not None:
            parts |= dict(zip(_CORES, (core.detach() for core in self.cores), strict=True))
        return parts | common_parts(self, alpha_apart=alpha_apart)

    def rows(self, rows: slice) -> Update:
        side = int(self.cores is not None)
        a1, b1, a2, b2 = self.factors
        a1, a2 = (factor.transpose(0, side)[rows].transpose(0, side) for factor in (a1, a2))
        return replace(self, factors=(a1, b1, a2, b2), bias=None if self.bias is None else self.bias[rows])

    def changes_anything(self) -> bool:
        return all(bool(factor.any()) for factor in self.factors)


class Loha(TrainableKind):
    name = "loha"
    network_module = "lycoris.kohya"
    suffixes = {  # noqa: RUF012
        **{part: Suffix(f".{part}", f".{part}") for part in (*_FACTORS, *_CORES)},
        "alpha": ALPHA,
        "bias": BIAS,
    }
    needs = frozenset(_FACTORS)

    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        """As in lycoris: normal, with deviations of 0.1 in A1 and 1 in B1 and B2. A2 is zero."""
        import torch

        del weight
        out, inner = shape[0], prod(shape[1:])
        a1, b1, b2 = (torch.randn(sides, generator=generator) for sides in ((out, rank), (rank, inner), (rank, inner)))
        return dict(zip(_FACTORS, (0.1 * a1, b1, torch.zeros(out, rank), b2), strict=True))

    def forward(
        self, layer: Any, base: Callable[..., Tensor], factors: Mapping[str, Tensor], scale: float, x: Tensor,
        *args: Any, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        r""":math:`W x + \Delta W x`, with the change computed in float32, and again in the backward pass."""
        from torch.utils.checkpoint import checkpoint

        values = (factors[part] for part in _FACTORS)
        change = checkpoint(_product, *values, scale, use_reentrant=False, preserve_rng_state=False)
        return base(x, *args, **kwargs) + _applied(layer, change.to(x.dtype), x)

    def update(self, factors: Mapping[str, Tensor], alpha: float) -> Hadamard:
        a1, b1, a2, b2 = (factors[part] for part in _FACTORS)
        return Hadamard((a1, b1, a2, b2), None, alpha)

    def rank_of(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        return shapes["hada_w1_b"][0]

    def from_parts(self, parts: Mapping[str, Tensor], module: str) -> Hadamard:
        a1, b1, a2, b2 = (parts[part] for part in _FACTORS)
        cores = (parts["hada_t1"], parts["hada_t2"]) if parts.keys() >= {*_CORES} else None
        shapes = ", ".join(str(tuple(parts[part].shape)) for part in (*_FACTORS, *_CORES) if part in parts)
        rank, side = b1.shape[0], int(cores is None)
        plain = all(factor.ndim == 2 for factor in (a1, b1, a2, b2)) and a1.shape == a2.shape and b1.shape == b2.shape
        cored = cores is None or all(core.ndim > 2 and core.shape[:2] == (rank, rank) for core in cores)
        if not plain or not cored or a1.shape[side] != rank or rank == 0 or (_CORES[0] in parts and cores is None):
            raise ValueError(f"{module} has factors of shapes {shapes}, which don't make one product")
        return Hadamard((a1, b1, a2, b2), cores, alpha_of(parts, module, default=rank))


def _product(a1: Tensor, b1: Tensor, a2: Tensor, b2: Tensor, scale: float) -> Tensor:
    return (a1 @ b1) * (a2 @ b2) * scale


def _applied(layer: Any, weight: Tensor, x: Tensor) -> Tensor:
    import torch

    if isinstance(layer, torch.nn.Linear):
        return torch.nn.functional.linear(x, weight)
    return layer._conv_forward(x, weight.reshape(len(weight), -1, *layer.kernel_size), None)


def with_core(core: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The kernel of a core (rank, rank, kh, kw) between factors (rank, out) and (rank, in): (out, in, kh, kw)."""
    import torch

    return torch.einsum("ij...,ip,jr->pr...", core, a, b)

"""First values of LoRA other than a zero B: PiSSA, orthogonal factors, and A from the weight's singular vectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .lora import Lora, LowRank, product
from .singular import leading_singular

if TYPE_CHECKING:
    from torch import Generator, Tensor

_OVERSAMPLED = 8
"""Further values that are computed, so that those that count are exact."""
_ROUNDING = 1e-6
"""Size of a product that cancels out, relative to its factors."""


@dataclass(frozen=True)
class Begun(LowRank):
    """A LoRA whose B isn't zero at first, though its change is."""

    def changes_anything(self) -> bool:
        up, down = self.up.float().flatten(1), self.down.float().flatten(1)
        return bool((up @ down).norm() > _ROUNDING * up.norm() * down.norm())


class SvdDown(Lora):
    """A has the weight's leading right singular vectors, so that what the layer reacts to most is learned first."""

    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        """Rows of A have length 1; those beyond the weight's own rank are as in LoRA. B is zero."""
        first = super().begin(shape, weight, rank=rank, generator=generator)
        _, _, right = _leading(weight(), rank, generator)
        first["down"].flatten(1)[: len(right)] = right
        return first


class Pissa(Lora):
    r"""PiSSA (Meng et al. 2024, arXiv:2404.02948): A and B begin as the weight's principal part.

    The paper takes that part out of the frozen weight, which is never changed here. The forward subtracts it instead,
    and the file is the difference as a LoRA of twice the rank: :math:`\frac{\alpha}{r} (B A - B_0 A_0)`.
    """

    fixed = frozenset({"first_down", "first_up"})

    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        r""":math:`A = \sqrt{S} V^T` and :math:`B = U \sqrt{S}`, eq. 2 and 3; the rest of the rank is as in LoRA."""
        first = super().begin(shape, weight, rank=rank, generator=generator)
        left, values, right = _leading(weight(), rank, generator)
        first["down"].flatten(1)[: len(right)] = values.sqrt()[:, None] * right
        first["up"].flatten(1)[:, : len(right)] = left * values.sqrt()
        return {**first, **{f"first_{part}": value.clone() for part, value in first.items()}}

    def forward(
        self, layer: Any, base: Callable[..., Tensor], factors: Mapping[str, Tensor], scale: float, x: Tensor,
        *args: Any, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        plain = super().forward(layer, base, factors, scale, x, *args, **kwargs)
        start = product(layer, factors["first_down"].to(x.dtype), factors["first_up"].to(x.dtype), x)
        return plain - (start if scale == 1 else start * scale)

    def update(self, factors: Mapping[str, Tensor], alpha: float) -> LowRank:
        import torch

        down = torch.cat([factors["down"], factors["first_down"]])
        up = torch.cat([factors["up"], -factors["first_up"]], dim=1)
        return Begun(down, up, 2 * alpha)


class Orthogonal(Lora):
    """Random A and B whose product is zero, as they lie in orthogonal halves of the rank; peft's ``orthogonal``."""

    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        """Normal in each half, with a deviation of 0.1.

        Raises:
            ValueError: the rank is odd.
        """
        import torch

        first = super().begin(shape, weight, rank=rank, generator=generator)
        if rank % 2:
            raise ValueError(f"got rank {rank}, expected an even one")
        turn, _ = torch.linalg.qr(torch.randn(rank, rank, generator=generator))
        for (part, side), half in zip((("down", 1), ("up", 0)), (turn[::2], turn[1::2]), strict=True):
            factor = first[part].flatten(1)
            values = torch.randn(factor.shape[side], rank // 2, generator=generator) @ half / 10
            factor.copy_(values.T if side else values)
        return first

    def update(self, factors: Mapping[str, Tensor], alpha: float) -> LowRank:
        return Begun(factors["down"], factors["up"], alpha)


FIRST_VALUES: dict[str, type[Lora]] = {"zero": Lora, "pissa": Pissa, "orthogonal": Orthogonal, "svd_down": SvdDown}
"""Name in a recipe -> LoRA with these first values."""


def _leading(weight: Tensor, rank: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Leading singular vectors and values of a weight: (out, r), (r,) and (r, in · kh · kw), r at most ``rank``."""
    import torch

    matrix = weight.flatten(1)
    most = min(rank + _OVERSAMPLED, *matrix.shape)
    seed = int(torch.randint(2**31, (), generator=generator))
    left, values, right = leading_singular(matrix, most, seed)
    return left[:, :rank], values[:rank], right.T[:rank]

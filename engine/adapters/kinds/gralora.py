"""GraLoRA: a LoRA for each block of the weight (Jung et al. 2025, arXiv:2505.20355), saved as a plain LoRA."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...core.errors import AdapterError
from .lora import Lora, LowRank

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Gralora(Lora):
    r"""The weight is divided into k by k blocks, and block (i, j) learns :math:`B_{ij} A_{ij}` of rank r / k.

    That takes as many values as a LoRA of rank r, but reaches rank k · r. Blocks beside zeros make up one LoRA of that
    rank exactly: it is what the forward computes and what files hold, so that they load wherever LoRA does, at k times
    the size.

    Args:
        k: blocks of a side.
    """

    name = "gralora"

    def __init__(self, k: int = 2) -> None:
        self._k = k

    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        """As in peft: A is Kaiming-uniform within each block, (k · rank, in / k, …); B is zero, (out, rank, …).

        Raises:
            AdapterError: a side of the weight, or the rank, isn't a multiple of k.
        """
        out, inner, *kernel = shape
        if any(side % self._k for side in (out, inner, rank)):
            raise AdapterError(
                f"A layer of {out} outputs and {inner} inputs can't be divided into {self._k} by {self._k} blocks of "
                f"one size, with rank {rank}.",
                expected="outputs, inputs and a rank that are multiples of gralora_k",
                hint="choose another gralora_k, other layers, or the kind lora.",
            )
        first = super().begin((out, inner // self._k, *kernel), weight, rank=self._k * rank, generator=generator)
        return {**first, "up": first["up"][:, :rank].clone()}

    def forward(
        self, layer: Any, base: Callable[..., Tensor], factors: Mapping[str, Tensor], scale: float, x: Tensor,
        *args: Any, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        down, up = _spread(factors["down"].to(x.dtype), factors["up"].to(x.dtype))
        return super().forward(layer, base, {"down": down, "up": up}, scale, x, *args, **kwargs)

    def update(self, factors: Mapping[str, Tensor], alpha: float) -> LowRank:
        """A LoRA of rank k · r, whose alpha keeps the scale."""
        down, up = _spread(factors["down"], factors["up"])
        return LowRank(down, up, alpha * len(down) / factors["up"].shape[1])


def _spread(down: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
    """The factors of all blocks as those of one LoRA, with zeros between: (k · r, in, …) and (out, k · r, …).

    Args:
        down: (k · r, in / k, …): for each block of inputs j, r / k rows for each block of outputs i.
        up: (out, r, …): for the rows of each i, r / k columns for each j.
    """
    import torch

    rank = up.shape[1]
    k, kernel = len(down) // rank, down.shape[2:]
    own = torch.eye(k, dtype=down.dtype, device=down.device)
    of_inputs = down.reshape(k, rank, 1, -1) * own[:, None, :, None]
    of_outputs = up.reshape(k, -1, k, 1, rank // k) * own[:, None, None, :, None]
    return of_inputs.reshape(k * rank, -1, *kernel), of_outputs.reshape(len(up), k * rank, *up.shape[2:])

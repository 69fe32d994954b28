"""LoRA: low-rank updates (Hu et al. 2021, arXiv:2106.09685)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING, Any

from ...core.errors import TrainingError
from ...diffusion.noisy_ranks import ranks_now
from .contract import ALPHA, BIAS, Suffix, TrainableKind, Update, alpha_of, common_parts

if TYPE_CHECKING:
    from torch import Generator, Tensor


@dataclass(frozen=True)
class LowRank(Update):
    r"""The update of one module: :math:`\Delta W = \frac{\alpha}{r} B A`, eq. 3 of the paper."""

    kind = "lora"

    down: Tensor
    """A, shape (rank, in) for linear layers, (rank, in, kh, kw) for convolutions."""
    up: Tensor
    """B, shape (out, rank) or (out, rank, 1, 1)."""
    alpha: float
    bias: Tensor | None = None

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.up.shape[0], *self.down.shape[1:])

    def delta(self, weight: Tensor | None = None) -> Tensor:
        device, shape = (self.down.device, self.weight_shape) if weight is None else (weight.device, weight.shape)
        down, up = self.down.to(device).float(), self.up.to(device).float()
        return (self.alpha / self.rank) * (up.flatten(1) @ down.flatten(1)).reshape(shape)

    def rows(self, rows: slice) -> LowRank:
        bias = None if self.bias is None else self.bias[rows]
        return replace(self, up=self.up[rows], bias=bias)

    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        up = self.up.detach()
        if not alpha_apart:
            up = up.float() * (self.alpha / self.rank)
        return {"down": self.down.detach(), "up": up, **common_parts(self, alpha_apart=alpha_apart)}

    def changes_anything(self) -> bool:
        return bool(self.up.any())


class Lora(TrainableKind):
    name = "lora"
    network_module = "networks.lora"
    suffixes = {  # noqa: RUF012 - read only
        "down": Suffix(".lora_down.weight", ".lora_A.weight"),
        "up": Suffix(".lora_up.weight", ".lora_B.weight"),
        "alpha": ALPHA,
        "bias": BIAS,
    }
    aliases = {  # noqa: RUF012
        ".lora_mid.weight": "mid",
        ".lora_A.default.weight": "down",
        ".lora_B.default.weight": "up",
        ".lora.down.weight": "down",
        ".lora.up.weight": "up",
        ".lora_linear_layer.down.weight": "down",
        ".lora_linear_layer.up.weight": "up",
        ".lora_B.bias": "up_bias",
        ".lora_B.default.bias": "up_bias",
    }
    needs = frozenset({"down", "up"})

    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        """A is Kaiming-uniform with a = sqrt(5), as in torch's layers: bounds of 1 / sqrt(fan-in). B is zero."""
        import torch

        del weight
        out, *inner = shape
        up = torch.zeros((out, rank, *[1] * len(inner[1:])))
        return {"down": kaiming_uniform((rank, *inner), generator), "up": up}

    def forward(
        self, layer: Any, base: Callable[..., Tensor], factors: Mapping[str, Tensor], scale: float, x: Tensor,
        *args: Any, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        r""":math:`W x + \frac{\alpha}{r} B A x`, in the dtype of the activations."""
        down, up = (factors[part].to(x.dtype) for part in ("down", "up"))
        change = product(layer, down, up, x, ranks_now())
        return base(x, *args, **kwargs) + (change if scale == 1 else change * scale)

    def update(self, factors: Mapping[str, Tensor], alpha: float) -> LowRank:
        return LowRank(factors["down"], factors["up"], alpha)

    def rank_of(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        return shapes["down"][0]

    def from_parts(self, parts: Mapping[str, Tensor], module: str) -> LowRank:
        return LowRank(*low_rank_parts(parts, module))


def kaiming_uniform(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Uniform as torch's layers begin, with a = sqrt(5): bounds of 1 / sqrt(fan-in)."""
    import torch

    return (torch.rand(shape, generator=generator) * 2 - 1) * prod(shape[1:]) ** -0.5


def low_rank_parts(parts: Mapping[str, Tensor], module: str) -> tuple[Tensor, Tensor, float]:
    """Down, up and alpha of a module, from its parts in a file; without alpha, the scale is 1.

    LoCon's core of a convolution, C of shape (rank, rank, kh, kw) between factors without a kernel, is multiplied into
    A, which leaves rank and scale as they are.

    Raises:
        ValueError: they don't fit each other.
    """
    down, up, mid = parts["down"], parts["up"], parts.get("mid")
    shapes = f"{module} has factors of shapes {tuple(down.shape)} (down) and {tuple(up.shape)} (up)"
    if down.ndim < 2 or up.ndim < 2 or any(side != 1 for side in up.shape[2:]):
        raise ValueError(shapes)
    if down.shape[0] != up.shape[1] or down.shape[0] == 0:
        raise ValueError(f"{shapes}, whose ranks {down.shape[0]} and {up.shape[1]} must be equal and above 0")
    if mid is not None:
        down = _with_core(down, mid, f"{shapes}, and between them {tuple(mid.shape)}")
    return down, up, alpha_of(parts, module, default=down.shape[0])


def _with_core(down: Tensor, core: Tensor, shapes: str) -> Tensor:
    import torch

    rank = down.shape[0]
    if core.ndim < 3 or core.shape[:2] != (rank, rank) or any(side != 1 for side in down.shape[2:]):
        raise ValueError(f"{shapes}, which must be ({rank}, {rank}, kernel)")
    return torch.einsum("mn...,ni->mi...", core.float(), down.float().flatten(1))


def product(layer: Any, down: Tensor, up: Tensor, x: Tensor, on: Tensor | None = None) -> Tensor:
    """B A x; A is convolved with the stride and padding of the layer. ``on`` says which ranks samples have, (B, r)."""
    from torch.nn import functional

    if down.ndim == 2:
        hidden = functional.linear(x, down)
        return functional.linear(hidden if on is None else hidden * _beside(on, hidden, -1), up)
    hidden = layer._conv_forward(x, down, None)
    convolve = getattr(functional, f"conv{down.ndim - 2}d")
    return convolve(hidden if on is None else hidden * _beside(on, hidden, 1), up)


def _beside(on: Tensor, hidden: Tensor, dimension: int) -> Tensor:
    """Which ranks are on, in a shape that fits activations with the ranks in this dimension.

    Raises:
        TrainingError: the layer has something else than the samples in its first dimension.
    """
    if len(on) not in (1, len(hidden)):
        raise TrainingError(
            f"A layer of this model gets {len(hidden)} rows for {len(on)} pictures, so noisy_rank can't tell whose "
            "they are.",
            expected="one row a picture",
            hint="set batch_size = 1, and gradient_accumulation in its place; or noisy_rank = 0.",
        )
    shape = [1] * hidden.ndim
    shape[0], shape[dimension] = on.shape
    return on.to(hidden.dtype).reshape(shape)

"""LoRA: low-rank updates (Hu et al. 2021, arXiv:2106.09685)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .contract import AdapterKind, Suffix, Update

if TYPE_CHECKING:
    import torch
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

    @property
    def rank(self) -> int:
        return self.down.shape[0]

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.up.shape[0], *self.down.shape[1:])

    def delta(self, weight: Tensor | None = None) -> Tensor:
        device = self.down.device if weight is None else weight.device
        down, up = self.down.to(device).float(), self.up.to(device).float()
        return (self.alpha / self.rank) * (up.flatten(1) @ down.flatten(1)).reshape(self.weight_shape)

    def rows(self, rows: slice) -> LowRank:
        return LowRank(down=self.down, up=self.up[rows], alpha=self.alpha)

    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        import torch

        down, up = self.down.detach(), self.up.detach()
        if alpha_apart:
            return {"down": down, "up": up, "alpha": torch.tensor(float(self.alpha))}
        return {"down": down, "up": up.float() * (self.alpha / self.rank)}

    def changes_anything(self) -> bool:
        return bool(self.up.any())


class Lora(AdapterKind):
    name = "lora"
    network_module = "networks.lora"
    suffixes = {  # noqa: RUF012 - read only
        "down": Suffix(".lora_down.weight", ".lora_A.weight"),
        "up": Suffix(".lora_up.weight", ".lora_B.weight"),
        "alpha": Suffix(".alpha", ""),
    }
    aliases = {  # noqa: RUF012
        ".lora_A.default.weight": "down",
        ".lora_B.default.weight": "up",
        ".lora.down.weight": "down",
        ".lora.up.weight": "up",
        ".lora_linear_layer.down.weight": "down",
        ".lora_linear_layer.up.weight": "up",
    }

    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        """A is Kaiming-uniform with a = sqrt(5), as in torch's layers: bounds of 1 / sqrt(fan-in). B is zero."""
        import torch

        del weight
        out, *inner = shape
        down = torch.rand((rank, *inner), generator=generator) * 2 - 1
        down *= down[0].numel() ** -0.5
        return {"down": down, "up": torch.zeros((out, rank, *[1] * len(inner[1:])))}

    def forward(
        self, layer: Any, base: Callable[..., Tensor], factors: Mapping[str, Tensor], scale: float, x: Tensor,
        *args: Any, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        r""":math:`W x + \frac{\alpha}{r} B A x`, in the dtype of the activations."""
        down, up = (factors[part].to(x.dtype) for part in ("down", "up"))
        return base(x, *args, **kwargs) + product(layer, down, up, x) * scale

    def update(self, factors: Mapping[str, Tensor], alpha: float) -> LowRank:
        return LowRank(factors["down"], factors["up"], alpha)

    def factors(self, update: Update) -> dict[str, Tensor]:
        assert isinstance(update, LowRank)
        return {"down": update.down, "up": update.up}

    def from_parts(self, parts: Mapping[str, Tensor], module: str) -> LowRank:
        return LowRank(*low_rank_parts(parts, module))


def low_rank_parts(parts: Mapping[str, Tensor], module: str) -> tuple[Tensor, Tensor, float]:
    """Down, up and alpha of a module, from its parts in a file; without alpha, the scale is 1.

    Raises:
        ValueError: they don't fit each other.
    """
    down, up, alpha = parts["down"], parts["up"], parts.get("alpha")
    shapes = f"{module} has factors of shapes {tuple(down.shape)} (down) and {tuple(up.shape)} (up)"
    if down.ndim < 2 or up.ndim < 2 or any(side != 1 for side in up.shape[2:]):
        raise ValueError(shapes)
    if down.shape[0] != up.shape[1] or down.shape[0] == 0:
        raise ValueError(f"{shapes}, whose ranks {down.shape[0]} and {up.shape[1]} must be equal and above 0")
    if alpha is not None and alpha.numel() != 1:
        raise ValueError(f"{module} has an alpha of shape {tuple(alpha.shape)}")
    return down, up, float(down.shape[0] if alpha is None else alpha.item())


def product(layer: Any, down: Tensor, up: Tensor, x: Tensor) -> Tensor:
    """B A x; A is convolved with the stride and padding of the layer."""
    from torch.nn import functional

    if down.ndim == 2:
        return functional.linear(functional.linear(x, down), up)
    convolve = getattr(functional, f"conv{down.ndim - 2}d")
    return convolve(layer._conv_forward(x, down, None), up)


def joined(parts: Sequence[tuple[LowRank, float]], device: torch.device | str) -> LowRank:
    r"""One update equal to :math:`\sum_i w_i \frac{\alpha_i}{r_i} B_i A_i`: the factors concatenated along the rank.

    Args:
        parts: (update, weight) for one module; at least one.
        device: of the result.

    Returns:
        Factors of shapes (:math:`\sum_i r_i`, in · kh · kw) and (out, :math:`\sum_i r_i`), float32, with a scale of 1.
        A single update keeps its factors, and its weight is multiplied into alpha.
    """
    import torch

    if len(parts) == 1:
        [(update, weight)] = parts
        down, up = update.down.detach().to(device), update.up.detach().to(device)
        return LowRank(down=down, up=up, alpha=weight * update.alpha)

    def factor(values: Tensor) -> Tensor:
        return values.detach().to(device, torch.float32).flatten(1)

    downs = torch.cat([factor(update.down) for update, _ in parts])
    ups = torch.cat([factor(update.up) * (weight * update.alpha / update.rank) for update, weight in parts], dim=1)
    return LowRank(down=downs, up=ups, alpha=float(len(downs)))

"""DoRA as a prototype (Liu et al. 2024, arXiv:2402.09353): the one file that another kind of adapter costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lora_workbench.engine.adapters.kinds import AdapterKind, Lora, LowRank, Update
from lora_workbench.engine.adapters.kinds.contract import Suffix
from lora_workbench.engine.adapters.kinds.lora import low_rank_parts

if TYPE_CHECKING:
    from torch import Generator, Tensor


def norms(weight: Tensor) -> Tensor:
    """Length of each row, (out, 1, …)."""
    return weight.flatten(1).norm(dim=1).reshape(-1, *[1] * (weight.ndim - 1))


@dataclass(frozen=True)
class Decomposed(LowRank):
    r""":math:`\Delta W = m \frac{W + s B A}{\lVert W + s B A \rVert} - W`, eq. 5."""

    kind = "dora"

    magnitude: Tensor = None  # type: ignore[assignment]
    """m, shape (out, 1, …)."""

    def delta(self, weight: Tensor | None = None) -> Tensor:
        assert weight is not None
        turned = weight.float() + super().delta(weight)
        return self.magnitude.to(weight.device) * turned / norms(turned) - weight.float()

    def rows(self, rows: slice) -> Decomposed:
        return replace(self, up=self.up[rows], magnitude=self.magnitude[rows])

    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        return {**super().parts(alpha_apart=alpha_apart), "magnitude": self.magnitude.detach()}


class Dora(AdapterKind):
    name = "dora"
    network_module = "networks.lora"
    suffixes = {**Lora.suffixes, "magnitude": Suffix(".dora_scale", ".dora_scale")}  # noqa: RUF012

    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        return {**Lora().begin(shape, weight, rank=rank, generator=generator), "magnitude": norms(weight())}

    def forward(
        self, layer: Any, base: Callable[..., Tensor], factors: Mapping[str, Tensor], scale: float, x: Tensor,
        *args: Any, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        import torch

        low_rank = Lora().update(factors, scale * len(factors["down"]))
        turned = layer.weight.float() + low_rank.delta(layer.weight)
        weight = (factors["magnitude"] * turned / norms(turned)).to(x.dtype)
        if isinstance(layer, torch.nn.Linear):
            return torch.nn.functional.linear(x, weight, layer.bias)
        return layer._conv_forward(x, weight, layer.bias)

    def update(self, factors: Mapping[str, Tensor], alpha: float) -> Decomposed:
        return Decomposed(factors["down"], factors["up"], alpha, factors["magnitude"])

    def factors(self, update: Update) -> dict[str, Tensor]:
        assert isinstance(update, Decomposed)
        return {"down": update.down, "up": update.up, "magnitude": update.magnitude}

    def from_parts(self, parts: Mapping[str, Tensor], module: str) -> Decomposed:
        return Decomposed(*low_rank_parts(parts, module), parts["magnitude"])

"""OFT and BOFT of kohya's trainer and lycoris: rotations of a weight's rows (arXiv:2306.07280, arXiv:2311.06243)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from .contract import BIAS, AdapterKind, Suffix, Update, alpha_of, common_parts

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Rotation(Update):
    r""":math:`\Delta W = s R^T W - W`: R is block diagonal, its blocks :math:`(I + Q)(I - Q)^{-1}` with Q = B - B^T.

    BOFT has several stages of blocks, which mix rows further and further apart. In a stack, the weight of the adapter
    scales each stage's R - I, as in lycoris and kohya's trainer, and then s - 1.
    """

    kind = "oft"
    additive = False
    scaled = False

    blocks: Tensor
    """B, shape (blocks, block, block) of OFT or (stages, blocks, block, block) of BOFT."""
    rescale: Tensor | None
    """s, one factor per row, (out, 1, …)."""
    alpha: float
    """Bound of the norm of Q, as a share of the number of rows; none if it is 0."""
    bias: Tensor | None = None

    @property
    def rank(self) -> int:
        return self.blocks.shape[-1]

    @property
    def weight_shape(self) -> tuple[int, ...]:
        return (self.blocks.shape[-3] * self.blocks.shape[-2],)

    @property
    def made_for(self) -> str:
        return f"weights of {self.weight_shape[0]} rows"

    def fits(self, shape: tuple[int, ...]) -> bool:
        return len(shape) > 1 and shape[0] == self.weight_shape[0]

    def delta(self, weight: Tensor) -> Tensor:
        return self.change(weight, 1.0)

    def change(self, weight: Tensor, share: float) -> Tensor:
        import torch

        before = after = weight.float()
        turns = self._rotations(weight.device)
        turns = torch.lerp(torch.eye(self.rank, device=weight.device).expand_as(turns), turns, share)
        if self.blocks.ndim == 3:
            after = torch.einsum("knm,kn...->km...", turns, after.unflatten(0, turns.shape[:2])).flatten(0, 1)
        else:
            for stage, turn in enumerate(turns):
                after = _butterfly(after, turn, stage)
        if self.rescale is not None:
            factors = self.rescale.to(weight.device).float().reshape(-1, *[1] * (weight.ndim - 1))
            after = after * (1 + share * (factors - 1))
        return after - before

    def _rotations(self, device: Any) -> Tensor:
        import torch

        blocks = self.blocks.to(device).float()
        turn = blocks - blocks.transpose(-1, -2)
        bound, norm = self.alpha * self.weight_shape[0], turn.norm()
        if 0 < bound < norm:
            turn = turn * (bound / norm)
        eye = torch.eye(self.rank, device=device)
        return (eye + turn) @ (eye - turn).inverse()

    def with_settings(self, settings: Mapping[str, Any]) -> Rotation:
        """Files of ComfyUI's own trainer have the bound of the norm itself as alpha, ``{"oft_alpha": "norm"}``."""
        if settings.get("oft_alpha") != "norm":
            return self
        return replace(self, alpha=self.alpha / self.weight_shape[0])

    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        del alpha_apart
        parts = {"oft_blocks": self.blocks.detach(), **common_parts(self, alpha_apart=True)}
        return parts if self.rescale is None else {**parts, "rescale": self.rescale.detach()}


class Oft(AdapterKind):
    name = "oft"
    network_module = "lycoris.kohya"
    suffixes = {  # noqa: RUF012
        "oft_blocks": Suffix(".oft_blocks", ".oft_blocks"),
        "rescale": Suffix(".rescale", ".rescale"),
        "alpha": Suffix(".alpha", ".alpha"),
        "bias": BIAS,
    }
    aliases = {".oft_diag": "oft_blocks"}  # noqa: RUF012
    needs = frozenset({"oft_blocks"})

    def from_parts(self, parts: Mapping[str, Tensor], module: str) -> Rotation:
        blocks, rescale = parts["oft_blocks"], parts.get("rescale")
        shape = tuple(blocks.shape)
        if len(shape) not in (3, 4) or shape[-1] != shape[-2] or 0 in shape:
            raise ValueError(f"{module} has blocks of shape {shape}, which aren't square")
        rows, stages = shape[-3] * shape[-2], shape[0] if len(shape) == 4 else 0
        if stages and (shape[-1] % 2 or rows % (shape[-1] << (stages - 1))):
            raise ValueError(f"{module} has blocks of shape {shape}, which don't make a butterfly")
        if rescale is not None and rescale.numel() != rows:
            raise ValueError(f"{module} has {rescale.numel()} factors for {rows} rows")
        return Rotation(blocks, rescale, alpha_of(parts, module, default=0.0))


def _butterfly(weight: Tensor, turn: Tensor, stage: int) -> Tensor:
    """One stage of BOFT: rows that are 2^stage half blocks apart are brought together, turned, and put back."""
    import torch

    block = turn.shape[-1]
    reach = (block // 2) << stage
    paired = weight.unflatten(0, (-1, 2, reach)).transpose(1, 2).flatten(0, 2).unflatten(0, (-1, block))
    turned = torch.einsum("bij,bj...->bi...", turn, paired).flatten(0, 1)
    return turned.unflatten(0, (-1, reach, 2)).transpose(1, 2).flatten(0, 2)

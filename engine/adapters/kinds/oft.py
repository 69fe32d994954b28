"""OFT and BOFT of kohya's trainer and lycoris: rotations of a weight's rows (arXiv:2306.07280, arXiv:2311.06243)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ...core.errors import AdapterError
from .contract import BIAS, Suffix, TrainableKind, Update, alpha_of, common_parts

if TYPE_CHECKING:
    from torch import Generator, Tensor


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

    def for_comfyui(self, weight: Callable[[], Tensor]) -> Update | None:
        """As it is, unless it has factors, which ComfyUI leaves out, or a bound, which it takes for the norm itself.

        Below a weight of 1 in the stack, ComfyUI squares that weight.
        """
        return super().for_comfyui(weight) if self.rescale is None and not self.alpha else None

    def _rotations(self, device: Any) -> Tensor:
        return _rotations(self.blocks.to(device), self.alpha * self.weight_shape[0])

    def with_settings(self, settings: Mapping[str, Any]) -> Rotation:
        """Files of ComfyUI's own trainer have the bound of the norm itself as alpha, ``{"oft_alpha": "norm"}``."""
        if settings.get("oft_alpha") != "norm":
            return self
        return replace(self, alpha=self.alpha / self.weight_shape[0])

    def parts(self, *, alpha_apart: bool) -> dict[str, Tensor]:
        del alpha_apart
        parts = {"oft_blocks": self.blocks.detach(), **common_parts(self, alpha_apart=True)}
        return parts if self.rescale is None else {**parts, "rescale": self.rescale.detach()}

    def rows(self, rows: slice) -> Update:
        """Rows that are whole blocks of OFT without a bound, which holds for all of them together."""
        start, stop, _ = rows.indices(self.weight_shape[0])
        if start == 0 and stop == self.weight_shape[0]:
            return self
        if self.blocks.ndim != 3 or self.alpha or start % self.rank or stop % self.rank:
            return super().rows(rows)
        rescale, bias = (None if of_rows is None else of_rows[rows] for of_rows in (self.rescale, self.bias))
        return replace(self, blocks=self.blocks[start // self.rank : stop // self.rank], rescale=rescale, bias=bias)

    def changes_anything(self) -> bool:
        return self.rescale is not None or not self.blocks.equal(self.blocks.transpose(-1, -2))


class Oft(TrainableKind):
    """Trained without a bound of the angles, in blocks of the largest size up to the rank that divides the rows."""

    name = "oft"
    scaled = False
    additive = False
    network_module = "lycoris.kohya"
    suffixes = {  # noqa: RUF012
        "oft_blocks": Suffix(".oft_blocks", ".oft_blocks"),
        "rescale": Suffix(".rescale", ".rescale"),
        "alpha": Suffix(".alpha", ".alpha"),
        "bias": BIAS,
    }
    aliases = {".oft_diag": "oft_blocks"}  # noqa: RUF012
    needs = frozenset({"oft_blocks"})

    def scale(self, factors: Mapping[str, Tensor], *, rank: int, alpha: float) -> float:
        """No scale: rotations know none."""
        del factors, rank, alpha
        return 1.0

    def begin(
        self, shape: tuple[int, ...], weight: Callable[[], Tensor], *, rank: int, generator: Generator
    ) -> dict[str, Tensor]:
        """Rotations by no angle.

        Raises:
            AdapterError: no size of blocks fits.
        """
        import torch

        del weight, generator
        block = next((size for size in range(rank, 1, -1) if shape[0] % size == 0), 0)
        if not block:
            raise AdapterError(
                f"A layer of {shape[0]} rows can't be divided into blocks of 2 to {rank} rows to rotate.",
                expected="a rank that a divisor of the number of rows isn't above",
                hint="choose a higher rank, other layers, or the kind lora.",
            )
        return {"oft_blocks": torch.zeros(shape[0] // block, block, block)}

    def forward(
        self, layer: Any, base: Callable[..., Tensor], factors: Mapping[str, Tensor], scale: float, x: Tensor,
        *args: Any, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        r""":math:`R^T W x + b`: what the layer computes is rotated, which is the same as rotating the weight's rows."""
        import torch

        del scale
        plain = base(x, *args, **kwargs)
        blocks = factors["oft_blocks"]
        turns = (_rotations(blocks) - torch.eye(blocks.shape[-1], device=blocks.device)).to(x.dtype)
        axis = -1 if isinstance(layer, torch.nn.Linear) else 1
        unbiased = plain.movedim(axis, -1)
        if layer.bias is not None:
            unbiased = unbiased - layer.bias.to(x.dtype)
        turned = torch.einsum("knm,...kn->...km", turns, unbiased.unflatten(-1, turns.shape[:2])).flatten(-2)
        return plain + turned.movedim(-1, axis)

    def update(self, factors: Mapping[str, Tensor], alpha: float) -> Rotation:
        del alpha
        return Rotation(factors["oft_blocks"], None, 0.0)

    def rank_of(self, shapes: Mapping[str, tuple[int, ...]]) -> int:
        return shapes["oft_blocks"][-1]

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


def _rotations(blocks: Tensor, bound: float = 0.0) -> Tensor:
    """The Cayley transform of each block, float32; ``bound`` of the norm of all Q together, none if it is 0."""
    import torch

    blocks = blocks.float()
    turn = blocks - blocks.transpose(-1, -2)
    norm = turn.norm() if bound else 0.0
    if 0 < bound < norm:
        turn = turn * (bound / norm)
    eye = torch.eye(blocks.shape[-1], device=blocks.device)
    return (eye + turn) @ (eye - turn).inverse()


def _butterfly(weight: Tensor, turn: Tensor, stage: int) -> Tensor:
    """One stage of BOFT: rows that are 2^stage half blocks apart are brought together, turned, and put back."""
    import torch

    block = turn.shape[-1]
    reach = (block // 2) << stage
    paired = weight.unflatten(0, (-1, 2, reach)).transpose(1, 2).flatten(0, 2).unflatten(0, (-1, block))
    turned = torch.einsum("bij,bj...->bi...", turn, paired).flatten(0, 1)
    return turned.unflatten(0, (-1, reach, 2)).transpose(1, 2).flatten(0, 2)

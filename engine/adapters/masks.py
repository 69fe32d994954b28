"""Where in a picture an adapter counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ..core.errors import ConfigError
from ..core.hashing import bytes_hash

if TYPE_CHECKING:
    from torch import Tensor

_SIDE = 512
"""Of a mask that is made of a box."""
_NOTHING = 1e-6
"""Shares below this don't count."""


@dataclass(frozen=True, eq=False)
class Mask:
    """A mask, known by its content."""

    values: Tensor = field(repr=False)
    """(H, W), float32 from 0 to 1, on the CPU."""

    @cached_property
    def content_hash(self) -> str:
        return bytes_hash(repr(tuple(self.values.shape)).encode() + self.values.contiguous().numpy().tobytes())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Mask) and self.content_hash == other.content_hash

    def __hash__(self) -> int:
        return hash(self.content_hash)

    def resized(self, height: int, width: int) -> Tensor:
        """The mean of the mask in each cell of a grid, (height, width)."""
        from torch.nn.functional import interpolate

        return interpolate(self.values[None, None], (height, width), mode="area")[0, 0]


def mask_of(values: Tensor) -> Mask:
    """A mask of ComfyUI's or ours.

    Args:
        values: (H, W) or (1, H, W), from 0 to 1.

    Raises:
        ConfigError: it has another shape, other values, or is empty.
    """
    found = values.detach().to("cpu").float()
    found = found[0] if found.ndim == 3 and len(found) == 1 else found
    if found.ndim != 2 or not found.numel() or not bool(((found >= 0) & (found <= 1)).all()):
        raise ConfigError(
            f"A mask of shape {tuple(values.shape)} can't say where an adapter counts.",
            expected="one mask of (height, width), with values from 0 to 1",
            hint="link a single mask; of a batch, pick one.",
        )
    if not bool(found.any()):
        raise ConfigError(
            "The mask is empty, so that the adapter would count nowhere.",
            expected="a mask with values above 0",
            hint="draw the region, or disable the adapter in the stack.",
        )
    return Mask(found.clone())


def box_mask(box: Sequence[float]) -> Mask:
    """A mask that is 1 inside a box.

    Args:
        box: left, top, width and height, as shares of the picture's sides.

    Raises:
        ConfigError: it isn't a box inside the picture.
    """
    import torch

    wrong = len(box) != 4 or not all(0 <= side <= 1 for side in box)
    if wrong or min(box[2:]) <= 0 or box[0] + box[2] > 1 + _NOTHING or box[1] + box[3] > 1 + _NOTHING:
        raise ConfigError(
            f"{', '.join(f'{side:g}' for side in box)} isn't a box inside the picture.",
            expected="left, top, width and height, as shares of its sides from 0 to 1",
            hint="write such as 0, 0, 0.5, 1 for the left half.",
        )
    left, top, width, height = (round(side * _SIDE) for side in box)
    values = torch.zeros(_SIDE, _SIDE)
    values[top : top + max(1, height), left : left + max(1, width)] = 1.0
    return Mask(values)


def shares(masks: Sequence[Mask], height: int, width: int) -> list[Tensor]:
    """How much each region counts at each place, (height, width); together 1 everywhere.

    Where masks overlap to more than 1, they are divided by their sum.

    Args:
        masks: at least one.
        height: of the latents.
        width: of the latents.

    Returns:
        The share of what has no mask, and then that of each mask.
    """
    import torch

    own = torch.stack([mask.resized(height, width) for mask in masks])
    own = own / own.sum(0).clamp(min=1.0)
    rest = (1 - own.sum(0)).clamp(min=0.0)
    return [rest, *own]


def counts(share: Tensor) -> bool:
    """Whether a region has any place at all."""
    return bool((share > _NOTHING).any())

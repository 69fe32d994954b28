"""Several updates of one weight: LoRAs as one, and all kinds in their order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, TypeAlias

from .contract import Update
from .lora import LowRank

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Part: TypeAlias = tuple[Update, float]
"""An update, and its weight in a stack."""


def steps(parts: Iterable[Part]) -> list[list[Part]]:
    """The parts in an order that gives the same weight: all LoRAs between two that aren't additive go together.

    Returns:
        Lists of one part each, or of LoRAs alone.
    """
    found: list[list[Part]] = []
    of_weight = (part for part in parts if not part[0].only_bias)
    for _, run in groupby(of_weight, lambda part: part[0].additive):
        low_rank: list[Part] = []
        others: list[list[Part]] = []
        for part in run:
            if isinstance(part[0], LowRank):
                low_rank.append(part)
            else:
                others.append([part])
        found += [low_rank, *others] if low_rank else others
    return found


def updated(weight: Tensor, parts: Iterable[Part]) -> Tensor:
    """A weight with all these updates in turn: additive ones add up, others change what those before them left.

    Args:
        weight: float32; left as it is.
        parts: in the order of the stack.
    """
    for step in steps(parts):
        weight = _after(weight, step)
    return weight


def bias_change(parts: Iterable[Part]) -> Tensor | None:
    """The change of a bias by all these updates, float32; ``None`` if none of them has one."""
    changes = [share * update.bias.float() for update, share in parts if update.bias is not None]
    return sum(changes[1:], changes[0]) if changes else None


def _after(weight: Tensor, step: list[Part]) -> Tensor:
    import torch

    if not isinstance(step[0][0], LowRank):
        [(update, share)] = step
        return weight + update.change(weight, share)
    update = joined(step, device=weight.device)  # type: ignore[arg-type]
    up, down = update.up.float().flatten(1), update.down.float().flatten(1)
    return torch.addmm(weight.flatten(1), up, down, alpha=update.alpha / update.rank).reshape(weight.shape)


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


def whole(pieces: Sequence[tuple[slice, LowRank]], rows: int) -> tuple[Tensor, Tensor]:
    """The factors of a layer, from those of its parts.

    Args:
        pieces: (output rows, update) of each part; parts with the same down factor share its place in the rank.
        rows: of the layer's weight.

    Returns:
        Down (r, in · kh · kw) and up (rows, r), float32, with a scale of 1; r is the sum of the ranks.
    """
    import torch

    downs: list[Tensor] = []
    ups: list[Tensor] = []
    for at, update in pieces:
        down = update.down.detach().float().flatten(1)
        up = torch.zeros(rows, update.rank, device=down.device)
        up[at] = update.up.detach().float().flatten(1) * (update.alpha / update.rank)
        same = next((i for i, other in enumerate(downs) if torch.equal(other, down)), None)
        if same is None:
            downs.append(down)
            ups.append(up)
        else:
            ups[same] = ups[same] + up
    return torch.cat(downs), torch.cat(ups, dim=1)

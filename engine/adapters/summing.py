"""Updates of one module that a file has under several names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.errors import AdapterError
from .kinds import LowRank, Update

if TYPE_CHECKING:
    from torch import Tensor


def summed(updates: Sequence[Update], module: str) -> Update:
    """One update that changes the weight as all of them together.

    Args:
        updates: of one module; at least one.
        module: names it in errors.

    Raises:
        AdapterError: there are several, and they aren't LoRAs of one shape.
    """
    if len(updates) == 1:
        return updates[0]
    plain = [update for update in updates if type(update) is LowRank]
    if len(plain) < len(updates) or len({update.weight_shape for update in updates}) > 1:
        raise AdapterError(
            f"{module} is in the adapter under {len(updates)} names, as {' and '.join(u.kind for u in updates)}.",
            expected="one update for each module, or LoRAs of one shape, which add up",
            hint="save each adapter into a file of its own, and stack them.",
        )
    return _together(plain)


def _together(updates: Sequence[LowRank]) -> LowRank:
    import torch

    down = torch.cat([update.down.float() for update in updates])
    up = torch.cat([update.up.float() * (update.alpha / update.rank) for update in updates], dim=1)
    return LowRank(down=down, up=up, alpha=float(len(down)))


def reshaped(update: Update, shape: tuple[int, ...]) -> Update:
    """The update for a layer that is a 1 x 1 convolution in one program and linear in another.

    Args:
        update: of a module.
        shape: of the base model's weight.

    Returns:
        The same update unless it differs from ``shape`` only in trailing ones.
    """
    own = update.weight_shape
    if own == shape or type(update) is not LowRank or (*_stripped(own),) != (*_stripped(shape),):
        return update

    def kernel(factor: Tensor) -> Tensor:
        return factor.reshape(*factor.shape[:2], *[1] * (len(shape) - 2))

    return LowRank(down=kernel(update.down), up=kernel(update.up), alpha=update.alpha)


def _stripped(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Without trailing ones, but for (out, in)."""
    end = len(shape)
    while end > 2 and shape[end - 1] == 1:
        end -= 1
    return shape[:end]

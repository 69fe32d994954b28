"""Updates of one module that a file has under several names."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import AdapterError
from .kinds import LowRank, Update


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
    biases = [update.bias.float() for update in updates if update.bias is not None]
    return LowRank(down=down, up=up, alpha=float(len(down)), bias=sum(biases[1:], biases[0]) if biases else None)

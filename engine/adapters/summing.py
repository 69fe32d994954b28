"""Updates of one module that a file has under several names."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import AdapterError
from .kinds import LowRank, Update
from .kinds.summing import bias_change, joined


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
    first = updates[0]
    whole = joined([(update, 1.0) for update in updates], device=first.down.device)
    return LowRank(
        down=whole.down.reshape(-1, *first.down.shape[1:]),
        up=whole.up.reshape(*whole.up.shape, *[1] * (first.up.ndim - 2)),
        alpha=whole.alpha,
        bias=bias_change((update, 1.0) for update in updates),
    )

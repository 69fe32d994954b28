"""How an order is given: whether it may start, for how much, and how long it is waited for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ..core.errors import RemoteError
from .patience import Patience

Start = Literal["tell the price", "train", "train again"]
STARTS: tuple[Start, ...] = ("tell the price", "train", "train again")
"""``train again`` orders another job although an earlier one failed, or may have been started without an answer."""


class NotStartedError(RemoteError):
    """Nothing was started, as only the price was asked for."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How an order is given."""

    start: Start = "train"
    price_limit: float = 0.0
    """The most that it may cost, in the provider's currency; 0 for any price, also an unknown one."""
    cancel_when_closed: bool = True
    """Whether the job is ended when the user interrupts. After a crash it is always waited for again."""
    base_url: str = ""
    """In place of the provider's own address, for a proxy or a stand-in."""
    patience: Patience = field(default_factory=Patience)

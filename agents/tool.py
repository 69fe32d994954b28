"""A tool of an agent, as a value that knows no protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .service import Answer, Tell

Act = Callable[[Mapping[str, Any], "Tell"], Awaitable["Answer"]]
"""Given the arguments, checked and with defaults."""


@dataclass(frozen=True, kw_only=True)
class Hints:
    """What clients ask their users about before a call."""

    read_only: bool
    """Nothing changes."""
    destructive: bool = False
    """It may end or replace something."""
    idempotent: bool = True
    """Calling it twice changes nothing more."""
    open_world: bool = False
    """It reaches beyond this machine."""


READS = Hints(read_only=True)
DRAWS = Hints(read_only=False)
"""Files are added, and the same call gives the same ones."""


@dataclass(frozen=True, kw_only=True)
class Tool:
    """What an agent may call."""

    name: str
    title: str
    description: str
    schema: Mapping[str, Any]
    """Of its arguments, JSON Schema."""
    hints: Hints
    act: Act

"""Work that takes long: people look elsewhere meanwhile, so they are told when it has come to an end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Generic, Literal, TypeVar

from ...engine.core.errors import WorkbenchError, in_a_line
from ...engine.core.words import printable

T = TypeVar("T", contravariant=True)

Kind = Literal["training", "batch", "board"]
Outcome = Literal["finished", "stopped", "failed"]

_MOST_TOLD = 300
"""Characters of an error of others, which may hold a whole report."""


@dataclass(frozen=True, kw_only=True)
class Ending:
    """What became of a piece of work."""

    kind: Kind
    name: str
    outcome: Outcome
    told: str
    """In one line: the result, or what went wrong."""

    def facts(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Work(Generic[T]):
    """A loop whose end is told, and how.

    Args:
        kind: what people call it.
        name: of what it makes.
        result: outcome and words of the loop's result; ``None`` if there was nothing left to do.
    """

    kind: Kind
    name: str
    result: Callable[[T], tuple[Outcome, str] | None]

    def ending(self, result: T) -> Ending | None:
        """Of a loop that got to its end."""
        told = self.result(result)
        return told and Ending(kind=self.kind, name=self.name, outcome=told[0], told=_line(told[1]))

    def failure(self, error: Exception) -> Ending:
        """Of a loop that raised an error."""
        told = in_a_line(error) if isinstance(error, WorkbenchError) else f"{type(error).__name__}: {error}"
        return Ending(kind=self.kind, name=self.name, outcome="failed", told=_line(told))


def _line(text: str) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= _MOST_TOLD else f"{line[: _MOST_TOLD - 1]}\u2026"

"""A registry of things by name: model families, kinds of adapter, optimizers, schedules, captioners."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, TypeVar

from .errors import WorkbenchError
from .words import did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Things of one sort by name, in the order of registration.

    Args:
        sort: what the things are, in the singular, for messages; for example ``optimizer``.
        error: raised for unknown names.
    """

    def __init__(self, sort: str, error: type[WorkbenchError]) -> None:
        self._sort, self._error = sort, error
        self._known: dict[str, T] = {}

    def register(self, name: str, thing: T) -> T:
        """Add a thing, and return it.

        Raises:
            ValueError: the name is taken.
        """
        if name in self._known:
            raise ValueError(f"{self._sort} {name!r} is already registered; known: {', '.join(self.names())}")
        self._known[name] = thing
        return thing

    def remove(self, name: str) -> None:
        """Remove a thing, for tests that add their own."""
        del self._known[name]

    def get(self, name: str) -> T:
        """The thing of that name.

        Raises:
            WorkbenchError: the registry's own class of it; there is no such thing.
        """
        if name not in self._known:
            raise self._error(
                f"Unknown {self._sort} {name!r}{did_you_mean(name, self._known) or '.'}",
                expected=f"one of {', '.join(self.names())}",
                hint="choose one of them.",
            )
        return self._known[name]

    def names(self) -> list[str]:
        """All names."""
        return list(self._known)

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[T]:
        return iter(list(self._known.values()))

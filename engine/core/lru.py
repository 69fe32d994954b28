"""An in-memory cache of the most recently used values, bounded in number and size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class LRU(Generic[V]):
    """A cache that evicts the least recently used values first. Thread-safe.

    Args:
        most: number of values kept.
        most_bytes: of all values together; ``None`` for no limit.
        size: gives the bytes of a value.
    """

    def __init__(self, most: int, *, most_bytes: int | None = None, size: Callable[[V], int] = lambda _: 0) -> None:
        self._most, self._most_bytes, self._size = most, most_bytes, size
        self._values: OrderedDict[Hashable, tuple[Hashable, V]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], V], version: Hashable = None) -> V:
        """The value of a key, made if it isn't cached.

        Threads don't wait for each other's values, so two that ask for the same one at once both make it.

        Args:
            key: of the value.
            make: makes the value. Values larger than the whole cache are never kept.
            version: of the value. A value cached with another version is replaced.
        """
        with self._lock:
            if key in self._values and self._values[key][0] == version:
                self._values.move_to_end(key)
                return self._values[key][1]
        value = make()
        with self._lock:
            if key in self._values:
                self._forget(key)
            if self._most_bytes is None or self._size(value) <= self._most_bytes:
                self._values[key] = version, value
                self._bytes += self._size(value)
            while len(self._values) > self._most or (self._most_bytes is not None and self._bytes > self._most_bytes):
                self._forget(next(iter(self._values)))
        return value

    def _forget(self, key: Hashable) -> None:
        self._bytes -= self._size(self._values.pop(key)[1])

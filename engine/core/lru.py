"""An in-memory cache of the most recently used values, bounded in number and size."""

from __future__ import annotations

import math
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
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of a key, made if it isn't cached. A value larger than the whole cache is never kept."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            value = make()
            most_bytes = math.inf if self._most_bytes is None else self._most_bytes
            if self._size(value) <= most_bytes:
                self._values[key] = value
            while len(self._values) > self._most or sum(map(self._size, self._values.values())) > most_bytes:
                self._values.popitem(last=False)
            return value

"""Values that were used last stay in memory, up to a number and a size."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

V = TypeVar("V")


class LRU(Generic[V]):
    """A cache that lets go of what was unused for longest. Safe to use from several threads.

    Args:
        most: values kept.
        most_bytes: of all kept values together; ``None`` doesn't count them.
        size: bytes of a value.
    """

    def __init__(self, most: int, *, most_bytes: int | None = None, size: Callable[[V], int] = lambda _: 0) -> None:
        self._most, self._most_bytes, self._size = most, most_bytes, size
        self._values: OrderedDict[Hashable, V] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], V]) -> V:
        """The value of a key, made if it isn't there. A value larger than the cache is made each time."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            value = self._values[key] = make()
            while len(self._values) > self._most or self._is_too_large():
                self._values.popitem(last=False)
            return value

    def _is_too_large(self) -> bool:
        return self._most_bytes is not None and sum(map(self._size, self._values.values())) > self._most_bytes

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
        self._values: OrderedDict[Hashable, tuple[Hashable, V]] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def get(self, key: Hashable, make: Callable[[], V], version: Hashable = None) -> V:
        """The value of a key, made if it isn't there.

        Other threads don't wait while a value is made, so two that want the same at once both make it.

        Args:
            key: what to look for.
            make: makes the value; one larger than the cache is made each time.
            version: a value that was kept with another version is let go and made anew.
        """
        with self._lock:
            if key in self._values and self._values[key][0] == version:
                self._values.move_to_end(key)
                return self._values[key][1]
        value = make()
        with self._lock:
            if key in self._values:
                self._forget(key)
            self._values[key] = version, value
            self._bytes += self._size(value)
            while len(self._values) > self._most or (self._most_bytes is not None and self._bytes > self._most_bytes):
                self._forget(next(iter(self._values)))
        return value

    def _forget(self, key: Hashable) -> None:
        self._bytes -= self._size(self._values.pop(key)[1])

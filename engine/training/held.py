"""What a run has encoded, in memory up to a budget and on disk beyond it.

Memory is for the steps: 10,000 latents of SDXL's size are 2.6 GB, and as many embeddings of a T5 text encoder are
80 GB. Reading four latents from the cache takes half a millisecond, or two where the disk has to be asked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, TypeAlias, TypeVar

from ..core.cache import TensorCache
from ..core.events import Event, Progress
from ..core.host_memory import free_memory
from ..core.locks import alone

if TYPE_CHECKING:
    from torch import Tensor

K = TypeVar("K")
V = TypeVar("V")
Entry: TypeAlias = "Mapping[str, Tensor]"
MakeEntry: TypeAlias = Callable[[str], Entry]

SHARE = 8
"""One part in so many of the free memory is for what a run has encoded. The system keeps files that were read in the
rest, as long as nothing else needs it."""


class Budget:
    """Bytes that a run may still hold of what it has encoded, all its sets together."""

    def __init__(self, left: int) -> None:
        self.left = left

    @staticmethod
    def of_free_memory() -> Budget:
        """A share of what is free now. Results don't depend on it."""
        return Budget(free_memory() // SHARE)

    def takes(self, size: int) -> bool:
        """Whether ``size`` bytes fit, which are then spent."""
        fits = size <= self.left
        self.left -= size if fits else 0
        return fits


class Held:
    """Entries by content key, on the CPU: in memory while the budget lasts, and read from the cache beyond it.

    Args:
        cache: gets every entry.
        budget: shared with other sets of the run.
        encode: makes the entry of a key.
        encode_again: makes it in the middle of the run; by default as ``encode``.
    """

    def __init__(
        self, cache: TensorCache, budget: Budget, encode: MakeEntry, encode_again: MakeEntry | None = None
    ) -> None:
        self._cache, self._budget, self._encode, self._encode_again = cache, budget, encode, encode_again or encode
        self._in_memory: dict[str, Entry] = {}

    def prepare(self, keys: Iterable[str], label: str) -> Generator[Event, None, None]:
        """Encode the entries that the cache lacks. Of several runs that begin with the same ones, one encodes them.

        Args:
            keys: of all entries that the run needs.
            label: what is done, for the progress.
        """
        wanted = [*keys]
        if missing := [key for key in wanted if not self._found(key)]:
            yield from alone(self._cache.lock(wanted), label, self._encoding(missing, label))

    def _encoding(self, missing: Sequence[str], label: str) -> Generator[Event, None, None]:
        missing = [key for key in missing if not self._found(key)]  # another run may have been quicker
        for done, key in enumerate(missing, 1):
            self._keep(key, self._cached(key, self._encode(key)))
            yield Progress(done=done, total=len(missing), label=label)

    def __getitem__(self, key: str) -> Entry:
        """An entry that was prepared; encoded again if its file has been deleted or damaged since."""
        found = self._in_memory.get(key) or self._cache.get(key)
        return self._cached(key, self._encode_again(key)) if found is None else found

    def _found(self, key: str) -> bool:
        if key not in self._in_memory and (entry := self._cache.get(key)):
            self._keep(key, entry)
            return True
        return key in self._in_memory

    def _cached(self, key: str, entry: Entry) -> Entry:
        """A new entry as the cache will give it back."""
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in entry.items()}
        self._cache.put(key, plain)
        return plain

    def _keep(self, key: str, entry: Entry) -> None:
        """Copy an entry to memory if the budget allows; from the cache it comes as a view of its file."""
        if self._budget.takes(sum(tensor.nbytes for tensor in entry.values())):
            self._in_memory[key] = {name: tensor.clone() for name, tensor in entry.items()}


class Lazy(Sequence[V], Generic[K, V]):
    """A sequence whose items are read when asked for.

    Args:
        keys: one per item.
        read: gives the item of a key.
    """

    def __init__(self, keys: Sequence[K], read: Callable[[K], V]) -> None:
        self._keys, self._read = keys, read

    def __len__(self) -> int:
        return len(self._keys)

    def __getitem__(self, place: int) -> V:  # pyright: ignore[reportIncompatibleMethodOverride]  # nobody needs slices
        return self._read(self._keys[place])


class LazyMapping(Mapping[str, V], Generic[V]):
    """As :class:`Lazy`, by name.

    Args:
        keys: name -> key.
        read: gives the value of a key.
    """

    def __init__(self, keys: Mapping[str, str], read: Callable[[str], V]) -> None:
        self._keys, self._read = keys, read

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __getitem__(self, name: str) -> V:
        return self._read(self._keys[name])

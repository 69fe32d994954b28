"""People's adapters as pages look at them, many times a minute: the index answers, and a thread looks for changes.

Looking at each file takes half a second for thousands on a fast disk, and far more on a network's, which nobody who
types a search should wait for. What is cheap is done for each question: whether a folder has changed. That tells of
files that come and go, not of those that change in place; for these, all are looked at again after a while.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from threading import Event, Lock, Thread
from typing import NamedTuple

from ..core.errors import WorkbenchError
from ..core.events import Progress
from .card import Card
from .index import Field, Index
from .searching import Query

FIRST_WAIT = 0.5
"""Seconds that the first question waits for the first look at the files, which most libraries don't take."""
LOOK_EVERY = 60.0
"""Seconds from one look at all files to the next, where no folder has changed."""


class Reading(NamedTuple):
    """A look at the files that is going on."""

    done: int
    """Files of those that were new or changed."""
    total: int
    """0 until it is known."""


class Library:
    """The adapters of a host. Thread-safe.

    Args:
        place: of the index's file.
        files: lists (name, path) of all adapters.
        roots: the folders that they are in, where new ones may come.
    """

    def __init__(self, place: Path, files: Callable[[], list[tuple[str, Path]]], roots: Sequence[Path]) -> None:
        self._place, self._files, self._roots = place, files, roots
        self._index: Index | None = None
        self.paths: dict[str, Path] = {}
        """Of the adapters, as they were listed last."""
        self._folders: dict[str, int] = {}
        self._looked = float("-inf")
        self._thread: Thread | None = None
        self._once = Event()
        self._lock = Lock()
        self.reading: Reading | None = None
        """What is going on now; ``None`` if nothing."""
        self.version = 0
        """Raised when cards were added, changed or removed."""
        self._problem = ""

    @property
    def note(self) -> str:
        """What the user should know of the index and of the last look at the files; empty if nothing."""
        return " ".join(filter(None, (self._index.note if self._index else "", self._problem)))

    def search(
        self, query: Query, *, recent: Sequence[str] = (), first: int = 0, most: int = -1
    ) -> tuple[int, list[Card]]:
        """How many adapters a query finds, and the cards of some of them, as :meth:`.Index.search` gives them."""
        index = self._current()
        return index.count(query), index.search(query, recent=recent, first=first, most=most) if most else []

    def families(self) -> list[str]:
        """As :meth:`.Index.families`."""
        return self._current().families()

    def counts(self, query: Query, field: Field) -> dict[str, int]:
        """As :meth:`.Index.counts`."""
        return self._current().counts(query, field)

    def path(self, name: str) -> Path | None:
        """The file or folder of an adapter; ``None`` for a name that hasn't been listed, of which no path is made."""
        return self.paths.get(name) or dict(self._files()).get(name)

    def card(self, name: str) -> Card | None:
        """The card of one adapter as its files are now."""
        path = self.path(name)
        return self._current().card(name, path) if path else None

    def renew(self, name: str) -> None:
        """Read an adapter's card again, after a change of the files beside it."""
        if self.card(name):
            self.version += 1

    def _current(self) -> Index:
        """The index, being renewed if that is due."""
        with self._lock:
            self._index = self._index or Index(self._place)
            if self._thread is None and (self._is_due() or self._has_changed()):
                self.reading = Reading(0, 0)
                self._thread = Thread(target=self._look, args=(self._index,), name="lora-workbench-vault", daemon=True)
                self._thread.start()
        if not self.version:
            self._once.wait(FIRST_WAIT)
        return self._index

    def _is_due(self) -> bool:
        return time.monotonic() - self._looked > LOOK_EVERY

    def _has_changed(self) -> bool:
        return _modified(self._folders) != self._folders

    def _look(self, index: Index) -> None:
        """Look at all files, in a thread."""
        try:
            paths = self._listed()
            changed, self.paths = paths.keys() != self.paths.keys(), paths
            for event in index.refresh(paths.items()):
                changed = True
                if isinstance(event, Progress):
                    self.reading = Reading(event.done, event.total)
                    self.version += 1
            self.version += changed
            self._problem = ""
        except (OSError, WorkbenchError) as error:
            self._problem = f"The adapters can't be looked at: {error}."
        finally:
            self._looked = time.monotonic()
            self.reading, self._thread = None, None
            self._once.set()

    def _listed(self) -> dict[str, Path]:
        """All adapters. The folders' times are those from before, so that the next look finds what comes meanwhile."""
        while True:
            before = _modified(self._folders)
            paths = dict(self._files())
            folders = _folders_of(paths.values(), self._roots)
            self._folders = {folder: before.get(folder, 0) for folder in folders}
            if folders <= before.keys():
                return paths


def _folders_of(paths: Iterable[Path], roots: Sequence[Path]) -> set[str]:
    """The folders with adapters, and those above them up to the roots."""
    tops = {str(root) for root in roots}
    found = set(tops)
    for folder in {os.path.dirname(path) for path in paths}:
        while folder not in found:
            found.add(folder)
            above = os.path.dirname(folder)
            folder = folder if above == folder else above  # a file elsewhere, up to the disk's root
    return found


def _modified(folders: Iterable[str]) -> dict[str, int]:
    """Folder -> when a file of it was added or removed last, in nanoseconds; 0 for one that isn't there."""
    found = {}
    for folder in folders:
        try:
            found[folder] = os.stat(folder).st_mtime_ns
        except OSError:
            found[folder] = 0
    return found

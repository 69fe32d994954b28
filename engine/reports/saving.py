"""Writes the report of a run."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..adapters.adapter import Adapter
from ..core.events import Event
from ..core.storage import adding, write_bytes
from ..core.words import counted
from ..data.dataset import Dataset
from ..runs.store import RunStore
from .document import document
from .gathering import page_of
from .page import RunPage

SUFFIX = ".html"


@dataclass(frozen=True, kw_only=True)
class SavedReport:
    """A report that was written."""

    path: Path
    page: RunPage
    bytes: int

    def __str__(self) -> str:
        page = self.page
        parts = [
            counted(page.steps, "step"),
            f"sample pictures of {counted(len(page.samples.steps), 'step')}" if page.samples else "no sample pictures",
            counted(page.pictures.count, "training picture") if page.pictures else "no training pictures",
        ]
        return f"{page.title}: {', '.join(parts)}, {self.bytes / 1000:.0f} kB"

    def report(self) -> dict[str, Any]:
        """The same as plain values, without the path."""
        page = self.page
        return {
            "name": page.title,
            "steps": page.steps,
            "sample_steps": [step.step for step in page.samples.steps] if page.samples else [],
            "pictures": page.pictures.count if page.pictures else 0,
            "bytes": self.bytes,
        }


def save_report(
    adapter: Adapter, store: RunStore, path: Path, dataset: Dataset | None = None
) -> Generator[Event, None, SavedReport]:
    """Write the report of an adapter's run. Never overwrites another file: if the name is taken, a number is added.

    Args:
        adapter: as for :func:`~.gathering.page_of`, as are ``store`` and ``dataset``.
        store: the run store.
        path: wanted, with the suffix ``.html``.
        dataset: its training pictures.

    Raises:
        AdapterError: the adapter wasn't trained here.
        DatasetError: it wasn't trained on any of the pictures, or one can't be read.
        StorageError: the file can't be written.
    """
    page = yield from page_of(adapter, store, dataset)
    data = document(page).encode()
    with adding(path) as draft:
        draft.temporary.write_bytes(data)
    return SavedReport(path=draft.path, page=page, bytes=len(data))


def renew_report(
    adapter: Adapter, store: RunStore, path: Path, dataset: Dataset | None = None
) -> Generator[Event, None, SavedReport]:
    """As :func:`save_report`, in the place of the report that was there."""
    page = yield from page_of(adapter, store, dataset)
    data = document(page).encode()
    write_bytes(path, data)
    return SavedReport(path=path, page=page, bytes=len(data))

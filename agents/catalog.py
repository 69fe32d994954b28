"""What there is on this machine: the vault's adapters, base models, saved stacks, and trainings."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..engine.core.errors import BaseModelError
from ..engine.core.stamps import file_stamp
from ..engine.vault.searching import Query
from ..headless.json_text import MOST_BYTES
from .host import AgentHost
from .pictures import preview_of

if TYPE_CHECKING:
    from ..engine.runs.listing import ListedRun
    from ..engine.vault.card import Card
    from .places import Place

_PATIENCE = 2.0
"""Seconds that a list of adapters waits for files that are new or changed; those of slow disks come with the next."""
_POLL = 0.02


class EmbeddedCatalog:
    """The :class:`~.backend.Catalog` of an embedded backbone.

    Args:
        place: its folders and base models.

    Raises:
        BaseModelError: a base model is missing or of no known family.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._host = AgentHost(place)
        self._bases = _families(self._host, place.bases)

    def cards(self) -> list[Card]:
        library = self._host.library
        _, cards = library.search(Query())
        until = time.monotonic() + _PATIENCE
        while library.reading and time.monotonic() < until:
            time.sleep(_POLL)
            _, cards = library.search(Query())
        return cards

    def card(self, name: str) -> Card | None:
        return self._host.library.card(name)

    def preview(self, name: str) -> bytes | None:
        card, path = self.card(name), self._host.library.path(name)
        return preview_of(path.with_name(card.preview)) if card and path and card.preview else None

    def bases(self) -> Mapping[str, str]:
        return self._bases

    def pin(self, name: str, pinned: bool) -> None:
        """Pin an adapter that is listed, or take its pin off.

        Raises:
            StorageError: its folder can't be written.
        """
        from ..engine.vault.notes import write_notes

        if path := self._host.library.path(name):
            write_notes(path, pinned=pinned)
            self._host.library.renew(name)

    def presets(self) -> Mapping[str, str]:
        folder = Path(self._place.presets) if self._place.presets else Path(self._place.output) / "stack_presets"
        found = {path.stem: _rows(path) for path in sorted(folder.glob("*.json"))}
        return {name: rows for name, rows in found.items() if rows}

    def runs(self) -> list[dict[str, Any]]:
        from ..engine.runs.listing import listed_runs

        return [_in_short(run) for run in listed_runs(self._store)]

    def verdict(self, name: str) -> Mapping[str, Any] | None:
        from ..engine.runs.listing import find_runs

        run = next((run for run in find_runs(self._store, name) if run.verdict), None)
        if run is None or run.verdict is None:
            return None
        return {**_in_short(run), "words": str(run.verdict), **run.verdict.facts()}

    @cached_property
    def _store(self) -> Any:
        return self._host.run_store()


def _families(host: AgentHost, bases: tuple[str, ...]) -> dict[str, str]:
    """Name of each base model -> its family, in order.

    Raises:
        BaseModelError: one is missing or of no known family, or two have one name.
    """
    from ..engine.models.registry import family_of

    found: dict[str, str] = {}
    for base in bases:
        path = host.base_path(base)
        if (name := base_name(path)) in found:
            raise BaseModelError(
                f"Two base models are called {name}.", expected="different names", hint="leave one out, or rename it."
            )
        found[name] = family_of(path).traits.name
    return found


def base_name(path: Path) -> str:
    """What a base model is called: its folder or file, as in the metadata of adapters."""
    return path.name.removesuffix(".safetensors")


def _rows(path: Path) -> str:
    """The rows of a saved stack; empty for a file that holds none."""
    try:
        told = json.loads(path.read_bytes()) if 0 < file_stamp(path)[0] <= MOST_BYTES else None
    except (OSError, ValueError, RecursionError):
        return ""
    rows = told.get("rows") if isinstance(told, dict) else None
    return rows.strip() if isinstance(rows, str) else ""


def _in_short(run: ListedRun) -> dict[str, Any]:
    return {
        "name": run.name,
        "number": run.short,
        "base": run.base,
        "dataset": run.dataset,
        "done": run.done,
        "steps": run.steps,
        "progress": run.progress,
        "snapshots": list(run.snapshots),
        "verdict": run.verdict.in_short() if run.verdict else "",
    }

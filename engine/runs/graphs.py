"""The graph that a run is part of, kept with it, so that it can be gone on with before it has any result."""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from ..adapters.headers import read_header
from ..core.errors import AdapterError
from ..core.storage import write_json
from .store import RunStore


@dataclass(frozen=True, kw_only=True)
class Graph:
    """The graph that a run is part of, as JSON, for the metadata of the adapter's file."""

    workflow: str | None = None
    """In the format of the canvas."""
    prompt: str | None = None
    """In the format of the server."""

    def __bool__(self) -> bool:
        return bool(self.workflow or self.prompt)


def keep_graph(store: RunStore, lineage: str, steps: int, graph: Graph) -> None:
    """Write it down, if there is one: a run that is gone on with from a shell keeps the graph that began it.

    Raises:
        StorageError: the run store can't be written.
    """
    if graph:
        write_json(store.graph(lineage, steps), asdict(graph))


def kept_graph(store: RunStore, lineage: str, steps: int) -> Graph:
    """The graph that trained a run last, or as the newest of its adapters has it; an empty one if neither is known."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        known = json.loads(store.graph(lineage, steps).read_text(encoding="utf-8"))
        return _graph(known.get("workflow"), known.get("prompt"))
    own = [file.path for file in store.snapshots(lineage) if file.steps == steps]
    finished = store.finished(lineage, steps)
    return _in_header(finished) or (_in_header(own[-1]) if own else Graph())


def _in_header(adapter: Path) -> Graph:
    with contextlib.suppress(AdapterError):
        told = read_header(adapter).metadata
        return _graph(told.get("workflow"), told.get("prompt"))
    return Graph()


def _graph(workflow: object, prompt: object) -> Graph:
    return Graph(
        workflow=workflow if isinstance(workflow, str) else None, prompt=prompt if isinstance(prompt, str) else None
    )

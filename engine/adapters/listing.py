"""Listing and inspecting adapter files."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import AdapterError
from .files import load_adapter, read_metadata
from .folders import sources_of


class Listed(NamedTuple):
    """An entry of a list of adapters, from the file's header alone."""

    name: str
    """Path relative to the folder of adapters, with forward slashes."""
    bytes: int
    trigger: str
    """The trigger phrase; empty if there is none."""


def list_adapters(files: Iterable[tuple[str, Path]]) -> list[Listed]:
    """One entry per file. Damaged files are listed too, without a trigger.

    Args:
        files: (name, path) of each.
    """
    entries = []
    for name, path in files:
        metadata: dict[str, str] = {}
        with suppress(AdapterError):
            metadata = read_metadata(path)
        entries.append(Listed(name, _bytes(path), metadata.get("modelspec.trigger_phrase", "")))
    return entries


def _bytes(path: Path) -> int:
    with suppress(AdapterError):
        return sum(source.path.stat().st_size for source in sources_of(path))
    return path.stat().st_size


def inspect_adapter(path: Path) -> dict[str, Any]:
    """Name, family, writer, kinds, ranks, alphas, trigger, content hash and metadata of an adapter, and more.

    Raises:
        AdapterError: there is no such file, it is damaged, or isn't an adapter of a known kind.
    """
    adapter = load_adapter(path)
    updates = adapter.modules.values()
    assert adapter.origin is not None
    return {
        "name": adapter.name,
        "family": adapter.family,
        "writer": adapter.origin.writer,
        "kinds": sorted({update.kind for update in updates}),
        "rank": adapter.rank,
        "ranks": sorted({update.rank for update in updates}),
        "alphas": sorted({float(update.alpha) for update in updates}),
        "scale": adapter.origin.scale,
        "notes": list(adapter.origin.notes),
        "modules": len(adapter.modules),
        "trigger": adapter.trigger,
        "content_hash": adapter.content_hash,
        "metadata": dict(sorted(adapter.metadata.items())),
    }

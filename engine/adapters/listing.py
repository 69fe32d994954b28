"""What there is to know of adapter files, for lists and for people."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import AdapterError
from .files import load_adapter, read_metadata


class Listed(NamedTuple):
    """An adapter file by its header alone."""

    name: str
    """Below the folder of adapters, with forward slashes."""
    bytes: int
    trigger: str
    """Trigger phrase, or nothing."""


def list_adapters(files: Iterable[tuple[str, Path]]) -> list[Listed]:
    """One entry a file; a damaged one is listed too, without a trigger.

    Args:
        files: (name, path) of each.
    """
    entries = []
    for name, path in files:
        metadata: dict[str, str] = {}
        with suppress(AdapterError):
            metadata = read_metadata(path)
        entries.append(Listed(name, path.stat().st_size, metadata.get("modelspec.trigger_phrase", "")))
    return entries


def inspect_adapter(path: Path) -> dict[str, Any]:
    """Name, family, rank, modules, trigger and content hash of an adapter, and its metadata.

    Raises:
        AdapterError: nothing is there, the file is damaged, or holds something else.
    """
    adapter = load_adapter(path)
    return {
        "name": adapter.name,
        "family": adapter.family,
        "rank": adapter.rank,
        "modules": len(adapter.modules),
        "trigger": adapter.trigger,
        "content_hash": adapter.content_hash,
        "metadata": dict(sorted(adapter.metadata.items())),
    }

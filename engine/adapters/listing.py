"""Listing and inspecting adapter files."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import AdapterError
from .files import load_adapter, read_metadata


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
        entries.append(Listed(name, path.stat().st_size, metadata.get("modelspec.trigger_phrase", "")))
    return entries


def inspect_adapter(path: Path) -> dict[str, Any]:
    """Name, family, rank, number of modules, trigger, content hash and metadata of an adapter.

    Raises:
        AdapterError: there is no such file, it is damaged, or isn't a LoRA.
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

"""What an adapter is for a row of a stack, from the headers of its files alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..core.lru import LRU
from .folders import sources_of, state
from .headers import read_header
from .names import parse
from .triggers import trigger_sets

_MOST = 1000


@dataclass(frozen=True)
class Glance:
    """An adapter before its tensors are read."""

    family: str
    """Of the base model that it was trained on; empty if its metadata don't say it."""
    phrases: tuple[str, ...]
    """Its trigger phrases."""
    modules: tuple[str, ...]
    """Names of the modules that it changes, as in its files."""


_KNOWN: LRU[Glance] = LRU(_MOST)


def glance(path: Path) -> Glance:
    """What the headers say, from memory if the files haven't changed.

    Raises:
        AdapterError: there is no such file, or its header is damaged.
    """
    return _KNOWN.get(path, lambda: _read(path), version=str(state(path)))


def _read(path: Path) -> Glance:
    metadata: dict[str, str] = {}
    modules: dict[str, None] = {}
    for source in sources_of(path):
        header = read_header(source.path)
        metadata |= header.metadata
        prefix = f"{source.component}." if source.component else ""
        modules |= {key.module: None for name in header.names if (key := parse(prefix + name) or parse(name))}
    family = metadata.get("lw.family") or metadata.get("modelspec.architecture", "").removesuffix("/lora")
    return Glance(family, trigger_sets(metadata), tuple(modules))

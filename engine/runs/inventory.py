"""What the run store holds, how large it is, and what can be pruned."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..core.locks import is_held
from .store import RunStore

Kind = Literal["cache", "state", "snapshot", "adapter"]
REMAKABLE: frozenset[Kind] = frozenset({"cache", "state", "snapshot"})
"""Kinds that a run makes again when needed."""
CACHES = ("encoded", "captions", "class_pictures", "nodes")
"""Folders with files that can be recomputed within minutes."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """Files that are kept or removed together."""

    kind: Kind
    name: str
    """The cache's folder, or the run's lineage."""
    files: tuple[Path, ...]
    bytes: int
    used: float
    """When it was last read or written, in seconds since the epoch."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What to prune. Finished adapters are kept unless ``adapters`` is set."""

    older_than: float | None = None
    """Days since last use."""
    larger_than: int | None = None
    """Bytes that the store may keep; the least recently used items are removed first."""
    lineage: str = ""
    """Only runs whose lineage starts with this."""
    kinds: frozenset[Kind] = REMAKABLE
    adapters: bool = False


def inventory(store: RunStore) -> list[Item]:
    """Everything in the store, with files that belong together as one item."""
    return [*_caches(store), *_runs(store)]


def prune(store: RunStore, wish: Wish, *, dry_run: bool = False, now: float | None = None) -> list[Item]:
    """Remove items from the store. Runs in progress are left alone.

    Args:
        store: the run store.
        wish: what to prune.
        dry_run: remove nothing, and only return what would be removed.
        now: in seconds since the epoch; the current time by default.

    Returns:
        The items removed.
    """
    now = time.time() if now is None else now
    kinds: set[Kind] = {*wish.kinds, *(("adapter",) if wish.adapters else ())}
    everything = inventory(store)
    held = {item.name for item in everything if item.kind != "cache" and is_held(store.lock(item.name))}
    items = [item for item in everything if item.kind in kinds and (item.kind == "cache" or item.name not in held)]
    if wish.lineage:
        items = [item for item in items if item.kind != "cache" and item.name.startswith(wish.lineage)]
    chosen = [item for item in items if wish.older_than is None or now - item.used > wish.older_than * 86_400]
    if wish.larger_than is not None:
        chosen = _beyond(chosen, sum(item.bytes for item in everything) - wish.larger_than)
    if not dry_run:
        for item in chosen:
            for path in item.files:
                path.unlink(missing_ok=True)
        _remove_empty_folders(store.root)
    return chosen


def _beyond(items: list[Item], surplus: int) -> list[Item]:
    """The least recently used items that add up to at least ``surplus`` bytes."""
    chosen = []
    for item in sorted(items, key=lambda item: item.used):
        if surplus <= 0:
            break
        chosen.append(item)
        surplus -= item.bytes
    return chosen


def _caches(store: RunStore) -> Iterator[Item]:
    for name in CACHES:
        grouped: dict[str, list[Path]] = {}
        for path in (store.root / name).rglob("*"):
            if path.is_file():
                # A node's result is a pair of files; class pictures of one request share a folder.
                key = path.parent.name if name == "class_pictures" else path.stem
                grouped.setdefault(key, []).append(path)
        yield from (_item("cache", name, files) for files in grouped.values())


def _runs(store: RunStore) -> Iterator[Item]:
    for folder in sorted((store.root / "runs").glob("*")):
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".safetensors", ".json")]
        adapters = [path for path in files if path.parent == folder and path.stem.isdecimal()]
        for stem in sorted({path.stem for path in adapters}):
            yield _item("adapter", folder.name, [path for path in adapters if path.stem == stem])
        for path in files:
            if path.name.endswith(".state.safetensors"):
                yield _item("state", folder.name, [path])
            elif path.parent.name == "snapshots":
                yield _item("snapshot", folder.name, [path])


def _item(kind: Kind, name: str, files: list[Path]) -> Item:
    stats = []
    for path in files:
        with contextlib.suppress(FileNotFoundError):  # another process may be pruning too
            stats.append(path.stat())
    return Item(
        kind=kind,
        name=name,
        files=tuple(files),
        bytes=sum(stat.st_size for stat in stats),
        used=max((stat.st_mtime for stat in stats), default=0.0),
    )


def _remove_empty_folders(root: Path) -> None:
    for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
        left = [path for path in folder.iterdir() if not path.name.startswith("lock")]
        if folder.parent.name == "runs" and not left and not is_held(folder / "lock"):
            shutil.rmtree(folder)
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()

"""What the run store holds, what it weighs, and what of it can go."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..core.errors import StorageError
from ..core.locks import is_held
from ..core.words import first_of
from .store import RunStore

Kind = Literal["cache", "state", "snapshot", "adapter"]
REMAKABLE: frozenset[Kind] = frozenset({"cache", "state", "snapshot"})
"""What a training makes again."""
CACHES = ("encoded", "captions", "class_pictures", "nodes")
"""Folders whose files can be made again within minutes."""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One thing that is kept or goes as a whole."""

    kind: Kind
    name: str
    """The cache's folder, or the run's lineage."""
    files: tuple[Path, ...]
    bytes: int
    used: float
    """When it was last written or read, seconds since the epoch."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What to prune. Finished adapters are never touched unless ``adapters`` says so."""

    older_than: float | None = None
    """Days since it was last used."""
    larger_than: int | None = None
    """Bytes that may stay; what was unused for longest goes first."""
    lineage: str = ""
    """Only runs whose lineage begins so."""
    kinds: frozenset[Kind] = REMAKABLE
    adapters: bool = False


def existing_store(root: Path) -> RunStore:
    """The run store in a folder, which must look like one before anything in it is removed.

    Raises:
        StorageError: there is no such folder, or it holds something else too.
    """
    strange = [path.name for path in sorted(root.glob("[!.]*")) if path.name not in ("runs", *CACHES)]
    if strange or not root.is_dir():
        raise StorageError(
            f"{root} isn't a run store: it also holds {first_of(strange)}." if strange else f"No run store at {root}.",
            expected=f"a folder with nothing but {', '.join(CACHES)} and runs in it",
            hint="name the output folder of your runs, or the store itself.",
        )
    return RunStore(root)


def inventory(store: RunStore) -> list[Item]:
    """Everything in the store, files that belong together as one item."""
    return [*_caches(store), *_runs(store)]


def prune(store: RunStore, wish: Wish, *, dry_run: bool = False, now: float | None = None) -> list[Item]:
    """Remove what the wish names, and tell what it was. Runs that are being trained are left alone.

    Args:
        store: where to prune.
        wish: what to prune.
        dry_run: only tell.
        now: seconds since the epoch; the present unless given.
    """
    now = time.time() if now is None else now
    kinds: set[Kind] = {*wish.kinds, *(("adapter",) if wish.adapters else ())}
    items = [item for item in inventory(store) if item.kind in kinds and _is_free(store, item)]
    if wish.lineage:
        items = [item for item in items if item.kind != "cache" and item.name.startswith(wish.lineage)]
    chosen = [item for item in items if wish.older_than is None or now - item.used > wish.older_than * 86_400]
    if wish.larger_than is not None:
        chosen = _beyond(chosen, sum(item.bytes for item in inventory(store)) - wish.larger_than)
    if not dry_run:
        for item in chosen:
            for path in item.files:
                path.unlink(missing_ok=True)
        _remove_empty_folders(store.root)
    return chosen


def _beyond(items: list[Item], surplus: int) -> list[Item]:
    """The items unused for longest that weigh at least ``surplus`` bytes together."""
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
                # A node's result is a pair of files; pictures of one set of prompts go together.
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


def _is_free(store: RunStore, item: Item) -> bool:
    return item.kind == "cache" or not is_held(store.root / "runs" / item.name / "lock")


def _remove_empty_folders(root: Path) -> None:
    for folder in sorted((path for path in root.rglob("*") if path.is_dir()), reverse=True):
        left = [path for path in folder.iterdir() if not path.name.startswith("lock")]
        if folder.parent.name == "runs" and not left and not is_held(folder / "lock"):
            shutil.rmtree(folder)
        with contextlib.suppress(OSError):  # not empty
            folder.rmdir()

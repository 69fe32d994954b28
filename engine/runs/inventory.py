"""What the run store holds, how much space it takes, and what can be pruned."""

from __future__ import annotations

import contextlib
import math
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from ..adapters.files import read_metadata
from ..core.errors import AdapterError, StorageError
from ..core.locks import if_free
from ..core.words import first_of
from .sample_files import SUFFIX
from .store import ABOUT, COMPARED, EVENTS, GRAPH, JOBS, REPORT, REQUESTS, TRAINED, RunStore

Kind = Literal["cache", "state", "snapshot", "samples", "events", "adapter", "model"]
"""``model`` is a finished base model, all weights of which were trained."""
REMAKABLE: frozenset[Kind] = frozenset({"cache", "state", "snapshot", "samples", "events"})
"""Kinds that a run makes again when needed, or can do without."""
CACHES = ("encoded", "captions", "class_pictures", "rates", "held_out", "drawn", "boards", "nodes", "code", "vault")
"""Folders with files that are made again when needed."""
_DAY = 86_400
_OF_RUNS = (".safetensors", ".json", SUFFIX)
_FINISHED: tuple[Kind, ...] = ("adapter", "model")


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


class Total(NamedTuple):
    """The items of one kind in one cache or run, summed up."""

    kind: Kind
    name: str
    """The cache's folder, or the run's lineage."""
    title: str
    """Title of a run's finished adapter or model; empty for everything else."""
    count: int
    bytes: int
    used: float
    """When any of them was last read or written, in seconds since the epoch."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What to prune. What runs have finished is kept unless ``adapters`` is set."""

    older_than: float | None = None
    """Days since last use."""
    larger_than: int | None = None
    """Bytes that the store may keep; the least recently used items are removed first."""
    lineage: str = ""
    """Only runs whose lineage starts with this."""
    kinds: frozenset[Kind] = REMAKABLE
    adapters: bool = False
    """Finished adapters and models, too."""


def existing_store(root: Path) -> RunStore:
    """The run store in a folder, checked before anything in it is removed.

    Raises:
        StorageError: there is no such folder, or it holds other files too.
    """
    strange = [path.name for path in sorted(root.glob("[!.]*")) if path.name not in ("runs", JOBS, *CACHES)]
    if strange or not root.is_dir():
        raise StorageError(
            f"{root} isn't a run store: it also holds {first_of(strange)}." if strange else f"No run store at {root}.",
            expected=f"a folder with only {', '.join(CACHES)} and runs in it",
            hint="give the output folder of your runs, or the run store itself.",
        )
    return RunStore(root)


def inventory(store: RunStore) -> list[Item]:
    """Everything in the store, with files that belong together as one item."""
    return [*_caches(store), *_runs(store)]


def totals(items: Iterable[Item]) -> list[Total]:
    """Sums of items of one kind and name, ordered by kind and name."""
    groups: dict[tuple[Kind, str], list[Item]] = defaultdict(list)
    for item in items:
        groups[item.kind, item.name].append(item)
    return [
        Total(
            kind=kind,
            name=name,
            title=_title(own[-1]) if kind in _FINISHED else "",
            count=len(own),
            bytes=sum(item.bytes for item in own),
            used=max(item.used for item in own),
        )
        for (kind, name), own in sorted(groups.items())
    ]


def _title(finished: Item) -> str:
    return _header(finished.files[-1]).get("modelspec.title", "")


def _is_model(file: Path) -> bool:
    return TRAINED in _header(file)


def _header(file: Path) -> Mapping[str, str]:
    """The metadata of a run's result, given it or the file of its losses; empty if it can't be read."""
    with contextlib.suppress(AdapterError):
        return read_metadata(file.with_suffix(".safetensors"))
    return {}


def prune(store: RunStore, wish: Wish, *, dry_run: bool = False, now: float | None = None) -> list[Item]:
    """Remove items from the store. Runs in progress are left alone, with all caches used since they began.

    Args:
        store: the run store.
        wish: what to prune.
        dry_run: remove nothing.
        now: in seconds since the epoch; the current time by default.

    Returns:
        The items that were removed, or would be.
    """
    now = time.time() if now is None else now
    everything = inventory(store)
    kinds: set[Kind] = {*wish.kinds, *(_FINISHED if wish.adapters else ())}
    began = _oldest_run_in_progress(store)
    items = [item for item in everything if item.kind in kinds and _is_free(store, item)]
    items = [item for item in items if item.kind != "cache" or item.used < began]
    if wish.lineage:
        items = [item for item in items if item.kind != "cache" and item.name.startswith(wish.lineage)]
    if wish.older_than is not None:
        items = [item for item in items if now - item.used > wish.older_than * _DAY]
    if wish.larger_than is not None:
        items = _beyond(items, sum(item.bytes for item in everything) - wish.larger_than)
    return items if dry_run else [item for item in items if _remove(store, item)]


def _oldest_run_in_progress(store: RunStore) -> float:
    """When it began, in seconds since the epoch; infinity if no run is in progress."""
    began = math.inf
    for folder in (store.root / "runs").glob("*"):
        lock = store.lock(folder.name)
        with if_free(lock) as free, contextlib.suppress(OSError):
            if not free:
                began = min(began, lock.with_suffix(".holder.json").stat().st_mtime)
    return began


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
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix in _OF_RUNS]
        adapters = [path for path in files if path.parent == folder and path.stem.isdecimal()]
        for stem in sorted({path.stem for path in adapters}):
            own = [path for path in adapters if path.stem == stem]
            yield _item("model" if _is_model(own[-1]) else "adapter", folder.name, own)
        for path in files:
            if path.name.endswith(".state.safetensors"):
                yield _item("state", folder.name, [path])
            elif path.parent.name == "snapshots":
                yield _item("snapshot", folder.name, [path])
        if events := [path for path in (folder / EVENTS).rglob("*") if path.is_file()]:
            yield _item("events", folder.name, events)
        yield from (_item("samples", folder.name, list(own)) for own in _by_step(folder / "samples", files))


def _by_step(folder: Path, files: Iterable[Path]) -> Iterator[Iterable[Path]]:
    """The files below a folder, those of one step together."""
    steps: dict[Path, list[Path]] = defaultdict(list)
    for path in files:
        if path.is_relative_to(folder):
            steps[path.parent].append(path)
    yield from steps.values()


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
    with _ours(store, item) as ours:
        return ours


def _ours(store: RunStore, item: Item) -> contextlib.AbstractContextManager[bool]:
    """Hold the lock on the run that an item belongs to, if there is one; yields whether it is held."""
    return contextlib.nullcontext(True) if item.kind == "cache" else if_free(store.lock(item.name))


def _remove(store: RunStore, item: Item) -> bool:
    """Remove an item unless its run is in progress or the system refuses; returns whether it was removed."""
    with _ours(store, item) as ours, contextlib.suppress(OSError):
        if ours:
            for path in item.files:
                path.unlink(missing_ok=True)
            _remove_empty_folders(store, item)
            return True
    return False


def _remove_empty_folders(store: RunStore, item: Item) -> None:
    """Remove folders of an item that are now empty, below the store; a run's lock files go with its folder."""
    run = store.lock(item.name).parent
    with contextlib.suppress(OSError):  # not empty
        for folder in item.files[0].parents:
            if folder == store.root:
                break
            if folder == run and all(map(_is_beside, folder.iterdir())):
                for path in folder.iterdir():
                    path.unlink()
            folder.rmdir()


def _is_beside(path: Path) -> bool:
    """Whether a file of a run is worth nothing without the others."""
    return path.name.startswith("lock") or path.name.endswith((ABOUT, COMPARED, GRAPH, REPORT)) or path.name in REQUESTS

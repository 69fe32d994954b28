"""Temporary files belong to the process that writes them, so that those of killed processes can be removed.

Each process has a token, which is part of the names of its temporary files, and holds a lock on a file named after the
token as long as it lives. If the lock can be acquired, the owner is dead; PIDs, in contrast, are reused.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from uuid import uuid4

from .file_locks import NoLocksError, file_lock, try_acquire

_PARTIAL = re.compile(r"\..+\.[a-z0-9_]{8}(?:\.(?P<token>[0-9a-f]{12}))?\.partial")
"""Names given by :mod:`.storage`; files of other programs that end in ``.partial`` are left alone."""
_NO_LOCK = (OSError, NoLocksError)
"""The file can't be opened, or the file system has no locks."""
_DAY = 86_400
_UNKNOWN_AFTER = _DAY
"""Seconds after which a temporary file without a known owner on this machine counts as abandoned."""
_FORGET_AFTER = 30 * _DAY
"""Seconds after its start for which a dead process is remembered, since folders it wrote to may not be swept yet."""


@cache
def partial_suffix() -> str:
    """Suffix of the names of this process's temporary files."""
    token = f"{int(time.time()):08x}{uuid4().hex[:4]}"
    with contextlib.suppress(*_NO_LOCK):  # without the lock, its files have no known owner
        _locks().mkdir(mode=0o700, exist_ok=True)
        path = _locks() / f"{token}.lock"
        lock = file_lock(path)
        while not try_acquire(lock):  # somebody who sweeps is looking whether it is held
            time.sleep(0.01)
        owner = os.getpid()

        def forget() -> None:
            if os.getpid() == owner:  # a fork must not release its parent's lock
                lock.release()
                path.unlink(missing_ok=True)

        atexit.register(forget)
    return f".{token}.partial"


def sweep(folders: Iterable[Path]) -> list[Path]:
    """Remove the temporary files and folders of dead processes below ``folders``.

    Files without a known owner are removed when they are older than a day: another machine may write to the same
    folder, or the system's temporary folder was emptied.

    Returns:
        The files and folders removed.
    """
    found = list(dict.fromkeys(path for folder in folders for path in _partials(folder)))
    if not found:
        return []
    try:
        dead, alive = _owners()  # after the search, so that the owners of all files found had locked by then
    except OSError:  # as on a full disk; the next start tries again
        return []
    removed = []
    for path in found:
        match = _PARTIAL.fullmatch(path.name)
        token = match and match["token"]
        with contextlib.suppress(OSError):  # another process may be sweeping too
            if token in dead or (token not in alive and time.time() - path.stat().st_mtime > _UNKNOWN_AFTER):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed.append(path)
    return removed


def _partials(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            if _PARTIAL.fullmatch(name):
                yield Path(parent, name)
        folders[:] = [name for name in folders if not _PARTIAL.fullmatch(name)]


def _owners() -> tuple[set[str], set[str]]:
    """(tokens of dead processes, tokens of live ones)."""
    dead, alive = set(), {partial_suffix().split(".")[1]}
    for path in _locks().glob(f"{'[0-9a-f]' * 12}.lock"):
        if path.stem in alive:
            continue
        if _is_held(path):
            alive.add(path.stem)
            continue
        dead.add(path.stem)
        if time.time() - int(path.stem[:8], 16) > _FORGET_AFTER:
            with contextlib.suppress(OSError):
                path.unlink()
    return dead, alive


def _is_held(path: Path) -> bool:
    """Whether another process holds the lock, as far as can be told."""
    lock = file_lock(path)
    try:
        return not try_acquire(lock)
    except _NO_LOCK:
        return True
    finally:
        lock.release()


def _locks() -> Path:
    """This user's folder of lock files."""
    return Path(tempfile.gettempdir()) / f"lora_workbench-{os.getuid() if hasattr(os, 'getuid') else 0}"

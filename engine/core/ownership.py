"""Temporary files belong to the process that writes them, so that those of a killed one can be recognized and removed.

A process has a token, which is part of its temporary files' names, and holds a lock on a file of that name as long as
it lives. Whoever can take the lock knows that the owner is dead, even after its process number went to another.
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

from filelock import FileLock, Timeout

_PARTIAL = re.compile(r"\..+\.[a-z0-9_]{8}(?:\.(?P<token>[0-9a-f]{12}))?\.partial")
"""Names that :mod:`.storage` gives; what other programs call ``.partial`` is none of our business."""
_NO_LOCK = (Timeout, OSError, NotImplementedError)
"""Somebody else holds it, the file can't be opened, or the file system has no locks."""
_DAY = 86_400
_UNKNOWN_AFTER = _DAY
"""Seconds after which a temporary file counts as left behind whose owner isn't known on this machine."""
_FORGET_AFTER = 30 * _DAY
"""Seconds after its start that a dead process is still known, as it may have written in folders not yet swept."""


@cache
def partial_suffix() -> str:
    """How the names of this process' temporary files end."""
    token = f"{int(time.time()):08x}{uuid4().hex[:4]}"
    with contextlib.suppress(*_NO_LOCK):  # without the lock, its files count as those of an unknown owner
        _locks().mkdir(mode=0o700, exist_ok=True)
        path = _locks() / f"{token}.lock"
        lock = FileLock(path, thread_local=False)
        lock.acquire()
        owner = os.getpid()

        def forget() -> None:
            if os.getpid() == owner:  # a fork must not give away what its parent holds
                lock.release()
                path.unlink(missing_ok=True)

        atexit.register(forget)
    return f".{token}.partial"


def sweep(folders: Iterable[Path]) -> list[Path]:
    """Remove what dead processes left half written below ``folders``.

    Files whose owner isn't known here, because another machine writes to the same folder or the system's temporary
    folder was emptied, go when they are older than a day.

    Returns:
        The files and folders removed.
    """
    found = list(dict.fromkeys(path for folder in folders for path in _partials(folder)))
    if not found:
        return []
    try:
        dead, alive = _owners()  # asked after looking: whoever wrote what was found had its lock by then
    except OSError:  # as on a full disk; the next start comes here again
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
        try:
            with FileLock(path, thread_local=False).acquire(blocking=False):
                dead.add(path.stem)
        except _NO_LOCK:
            alive.add(path.stem)
            continue
        if time.time() - int(path.stem[:8], 16) > _FORGET_AFTER:
            with contextlib.suppress(OSError):
                path.unlink()
    return dead, alive


def _locks() -> Path:
    """The user's own folder of lock files."""
    return Path(tempfile.gettempdir()) / f"lora_workbench-{os.getuid() if hasattr(os, 'getuid') else 0}"

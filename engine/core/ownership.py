"""Temporary files belong to the process that writes them, so that those of a killed one can be told and removed.

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
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from uuid import uuid4

from filelock import FileLock, Timeout

_PARTIAL = re.compile(r"\.(?P<token>[0-9a-f]{12})\.partial$")
_UNKNOWN_AFTER = 86_400
"""Seconds after which a temporary file counts as left behind whose owner isn't known on this machine."""


@cache
def partial_suffix() -> str:
    """How the names of this process' temporary files end."""
    token = uuid4().hex[:12]
    with contextlib.suppress(OSError):  # without the lock, its files would count as of an unknown owner
        path = _locks() / f"{token}.lock"
        lock = FileLock(path)
        lock.acquire()

        def forget() -> None:
            lock.release()
            path.unlink(missing_ok=True)

        atexit.register(forget)
    return f".{token}.partial"


def sweep(folders: Iterable[Path]) -> list[Path]:
    """Remove temporary files and folders of dead processes below ``folders``; tells which.

    Nothing is removed where owners can't be looked up, as on a full disk: the next start comes here again.
    """
    removed = []
    try:
        dead, known = _owners()
    except OSError:
        return removed
    for path in [path for folder in folders if folder.is_dir() for path in folder.rglob("*.partial")]:
        found = _PARTIAL.search(path.name)
        token = found["token"] if found else ""
        with contextlib.suppress(OSError):  # another process may be sweeping too
            if token in dead or (token not in known and time.time() - path.stat().st_mtime > _UNKNOWN_AFTER):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed.append(path)
    for token in dead:
        with contextlib.suppress(OSError):
            (_locks() / f"{token}.lock").unlink(missing_ok=True)
    return removed


def _owners() -> tuple[set[str], set[str]]:
    """(tokens of dead processes, all tokens known here)."""
    own = partial_suffix().split(".")[1]
    dead, known = set(), {own}
    for path in _locks().glob("*.lock"):
        known.add(path.stem)
        if path.stem != own:
            with contextlib.suppress(Timeout, OSError), FileLock(path).acquire(blocking=False):
                dead.add(path.stem)
    return dead, known


def _locks() -> Path:
    """The user's own folder of lock files."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"lora_workbench-{user}"
    folder.mkdir(exist_ok=True)
    return folder

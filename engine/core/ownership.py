"""Temporary files belong to the process that writes them, so that those of killed processes can be removed.

Each process has a random token, which is part of the names of its temporary files, and holds a lock on a file named
after the token as long as it lives. If the lock can be acquired, the owner is dead; PIDs, in contrast, are reused.
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
"""Seconds after which a temporary file without a known owner on this machine counts as abandoned."""


@cache
def partial_suffix() -> str:
    """Suffix of the names of this process's temporary files."""
    token = uuid4().hex[:12]
    with contextlib.suppress(OSError):  # without the lock, its files have no known owner
        path = _locks() / f"{token}.lock"
        lock = FileLock(path, thread_local=False)
        lock.acquire()

        def forget() -> None:
            lock.release()
            path.unlink(missing_ok=True)

        atexit.register(forget)
    return f".{token}.partial"


def sweep(folders: Iterable[Path]) -> list[Path]:
    """Remove the temporary files and folders of dead processes below ``folders``.

    Returns:
        The paths removed; none if there is no usable folder for locks, as on a full disk.
    """
    removed = []
    with contextlib.ExitStack() as held:
        try:
            dead, known = _owners(held)
        except OSError:
            return []
        for path in [path for folder in folders if folder.is_dir() for path in folder.rglob("*.partial")]:
            found = _PARTIAL.search(path.name)
            token = found["token"] if found else ""
            with contextlib.suppress(OSError):  # another process may be sweeping too
                if token in dead or (token not in known and time.time() - path.stat().st_mtime > _UNKNOWN_AFTER):
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
                    removed.append(path)
        for token in dead:
            with contextlib.suppress(OSError):  # on Windows, releasing the lock removes the file
                (_locks() / f"{token}.lock").unlink()
    return removed


def _owners(held: contextlib.ExitStack) -> tuple[set[str], set[str]]:
    """(tokens of dead processes, all tokens known here).

    The locks of the dead stay in ``held`` during the sweep. A process that has created its lock file but not locked it
    yet looks dead too; it then waits for the lock, so that none of its files exist before the sweep has ended.
    """
    own = partial_suffix().split(".")[1]
    dead, known = set(), {own}
    for path in _locks().glob("*.lock"):
        known.add(path.stem)
        if path.stem != own:
            with contextlib.suppress(Timeout, OSError):
                held.enter_context(FileLock(path).acquire(blocking=False))
                dead.add(path.stem)
    return dead, known


def _locks() -> Path:
    """This user's folder of lock files."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"lora_workbench-{user}"
    folder.mkdir(exist_ok=True)
    return folder

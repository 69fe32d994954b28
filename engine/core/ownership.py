"""Temporary files belong to the process that writes them, so that those of killed processes can be removed.

Each process has a token, which is part of the names of its temporary files, and holds a lock on a file named after the
token as long as it lives. If the lock can be acquired, the owner is dead; PIDs, in contrast, are reused. Beside its
lock, each process notes the folders that it writes to, so that what a killed one left is found without searching all.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterable, Iterator
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
"""Seconds after its start for which a dead process is remembered while something of it is left in other folders."""
_STARTING = 60
"""Seconds in which a process that is taken for dead may be one that hasn't got its lock yet."""
_ANY_TOKEN = "[0-9a-f]" * 12
_END = b"\0"
"""Of each name in a file of noted folders: nothing else can't be part of one."""


def partial_suffix(folder: Path) -> str:
    """Suffix of the names of this process's temporary files.

    Args:
        folder: where such a file is about to be made; it is noted, for the case that this process is killed.
    """
    token = _own_token()
    _note(token, os.path.realpath(folder))
    return f".{token}.partial"


def sweep(folders: Iterable[Path], stamp: Path | None = None) -> list[Path]:
    """Remove the temporary files and folders of dead processes below ``folders``.

    Those of processes of this machine are looked for where they noted that they write. Other machines may write to the
    same folders, and the system's temporary folder may have been emptied: once a day, everything below ``folders`` is
    searched, and files without a known owner are removed when they are older than a day.

    Args:
        folders: any; what lies in others stays, and stays known.
        stamp: file that tells when everything was searched last; without it, everything is searched at each call.

    Returns:
        The files and folders removed.
    """
    folders = [Path(os.path.realpath(folder)) for folder in folders]
    try:
        dead, alive = _owners()
        found = [path for path in _left_by(dead) if any(path.is_relative_to(folder) for folder in folders)]
        if _is_due(stamp):
            found += [path for folder in folders for path in _partials(folder)]
        if found:
            dead, alive = _owners()  # after the search, so that the owners of all files found had locked by then
    except OSError:  # as on a full disk; the next start tries again
        return []
    removed = []
    for path in dict.fromkeys(found):
        with contextlib.suppress(OSError):  # another process may be sweeping too
            token = _token_of(path)
            if token in dead or (token not in alive and time.time() - path.stat().st_mtime > _UNKNOWN_AFTER):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
                removed.append(path)
    _forget(dead)
    return removed


@cache
def _own_token() -> str:
    token = f"{int(time.time()):08x}{uuid4().hex[:4]}"
    with contextlib.suppress(*_NO_LOCK):  # without the lock, its files have no known owner
        _locks().mkdir(mode=0o700, exist_ok=True)
        path = _lock_of(token)
        lock = file_lock(path)
        while not try_acquire(lock):  # somebody who sweeps is looking whether it is held
            time.sleep(0.01)
        owner = os.getpid()

        def forget() -> None:
            if os.getpid() == owner:  # a fork must not release its parent's lock
                lock.release()
                path.unlink(missing_ok=True)
                _notes_of(token).unlink(missing_ok=True)

        atexit.register(forget)
    return token


@cache
def _note(token: str, folder: str) -> None:
    """Note a folder that the process of this token writes to, once."""
    with contextlib.suppress(OSError), _notes_of(token).open("ab") as file:
        file.write(os.fsencode(folder) + _END)


def _left_by(dead: Collection[str]) -> list[Path]:
    """The temporary files of dead processes, in the folders that they noted."""
    places = {place for token in dead for place in _noted(token)}
    return [path for place in sorted(places) for path in _partials(place, deep=False) if _token_of(path) in dead]


def _noted(token: str) -> list[Path]:
    try:
        return [Path(os.fsdecode(name)) for name in _notes_of(token).read_bytes().split(_END)[:-1]]
    except OSError:
        return []


def _token_of(path: Path) -> str | None:
    match = _PARTIAL.fullmatch(path.name)
    return match and match["token"]


def _is_due(stamp: Path | None) -> bool:
    """Whether everything is to be searched; the next processes are told that it is being done."""
    if stamp is None:
        return True
    with contextlib.suppress(OSError):
        if abs(time.time() - stamp.stat().st_mtime) < _DAY:  # a time to come is that of a clock that was wrong
            return False
    with contextlib.suppress(OSError):  # there is no such folder yet, or it can't be written
        stamp.touch()
    return True


def _partials(folder: Path, *, deep: bool = True) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            if _PARTIAL.fullmatch(name):
                yield Path(parent, name)
        folders[:] = [name for name in folders if deep and not _PARTIAL.fullmatch(name)]


def _owners() -> tuple[set[str], set[str]]:
    """(tokens of dead processes, tokens of live ones)."""
    dead, alive = set(), {_own_token()}
    for path in _locks().glob(f"{_ANY_TOKEN}.lock"):
        if path.stem not in alive:
            (alive if _is_held(path) else dead).add(path.stem)
    return dead, alive


def _forget(dead: Collection[str]) -> None:
    """Forget the dead of which nothing is left where they noted that they write, and those of long ago."""
    left = {_token_of(path) for path in _left_by(dead)}
    for token in dead:
        age = time.time() - int(token[:8], 16)
        if age > (_FORGET_AFTER if token in left else _STARTING):
            for path in (_lock_of(token), _notes_of(token)):
                with contextlib.suppress(OSError):
                    path.unlink()


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


def _lock_of(token: str) -> Path:
    return _locks() / f"{token}.lock"


def _notes_of(token: str) -> Path:
    """The file in which the process of this token notes the folders that it writes to."""
    return _locks() / f"{token}.folders"

"""Locks on files by the operating system, which end with the process that holds them, however it ends."""

from __future__ import annotations

import errno
from pathlib import Path

from filelock import BaseFileLock, FileLock, SoftFileLock, Timeout

_WITHOUT = {errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK}
"""What file systems without locks give: some in user space, Lustre mounted without ``flock``, NFS without its lock
daemon."""


class NoLocksError(Exception):
    """The file system has no locks."""


def file_lock(path: Path) -> BaseFileLock:
    """A lock that isn't held yet. Any thread may release it, since generators are closed by whichever comes to it.

    Args:
        path: of the file, created when the lock is acquired, and left there.
    """
    try:
        return FileLock(path, thread_local=False, fallback_to_soft=False)
    except TypeError:  # an older filelock
        return FileLock(path, thread_local=False)


def try_acquire(lock: BaseFileLock) -> bool:
    """Acquire a lock without waiting; whether it is held now, rather than by another process.

    A file whose existence is the lock is never taken for one, although some versions of filelock fall back to that: it
    outlives a killed holder, and on a shared disk no other machine can tell that it did.

    Raises:
        NoLocksError: the file system has none.
        OSError: the file can't be opened.
    """
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        if isinstance(lock, SoftFileLock):
            raise NoLocksError from error
        return False
    except NotImplementedError as error:
        raise NoLocksError from error
    except OSError as error:
        if error.errno in _WITHOUT:
            raise NoLocksError from error
        raise
    if isinstance(lock, SoftFileLock):
        lock.release()
        raise NoLocksError
    return True

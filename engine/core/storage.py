"""Atomic writes, and names that aren't taken."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import StorageError
from .ownership import partial_suffix

_TAKEN = {errno.ENOTEMPTY, errno.ENOTDIR, errno.EISDIR}
"""What moving a folder onto a folder or a file gives, apart from ``EEXIST``."""
_NO_LINKS = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK, errno.EXDEV}
"""What file systems without hard links give."""


class NameTakenError(Exception):
    """Something had the name already when a new file was to get it."""


@contextlib.contextmanager
def replacing(path: Path, *, new: bool = False) -> Iterator[Path]:
    """Yield the path of a file to write, which replaces ``path`` when the block succeeds.

    The data is flushed to disk before the rename, so that a crash leaves either the old file or the new one. If the
    block fails, ``path`` is left as it was. The file is in a folder of its own, since libraries (safetensors is one)
    write a temporary file of their own beside it, which a kill would leave there.

    Args:
        path: of the file.
        new: replace nothing, whoever else may write a file of this name at the same moment.

    Raises:
        NameTakenError: with ``new``, something has the name when the block ends.
        StorageError: the disk is full, or the folder can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=partial_suffix(path.parent), dir=path.parent))
    except OSError as error:
        raise cannot_write(path, error) from error
    temporary = folder / path.name
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        if not new:
            os.replace(temporary, path)
        elif not _moved(temporary, path):
            raise NameTakenError(path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass
class Draft:
    """A file or folder that is being written."""

    temporary: Path
    """Where to write it: a path that doesn't exist yet, in a folder that does."""
    path: Path
    """Its final path, known when the block of :func:`adding` has ended."""


@contextlib.contextmanager
def adding(path: Path) -> Iterator[Draft]:
    """Let the block write a file or folder, then move it to ``path`` without replacing anything.

    If ``path`` is taken, the draft is moved to the first free of ``name_00002``, ``name_00003``, …; if a file or folder
    with the same content is there already, the draft is dropped and ``Draft.path`` is the existing one. Everything is
    flushed to disk before the rename, and a block that fails leaves nothing.

    Raises:
        StorageError: the disk is full, or the folder can't be written.
    """
    folder = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=partial_suffix(path.parent), dir=path.parent))
        draft = Draft(folder / path.name, path)
        yield draft
        for file in _files(draft.temporary):
            with open(file, "rb+") as opened:
                os.fsync(opened.fileno())
        draft.path = _settled(draft.temporary, path)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _files(path: Path) -> list[Path]:
    return sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]


def _settled(draft: Path, wanted: Path) -> Path:
    """Move the draft to the first free name, unless a name before it has the same content; returns that path."""
    for place in numbered(wanted, is_folder=draft.is_dir()):
        if not os.path.lexists(place) and _moved(draft, place):
            return place
        if _same(draft, place):
            return place
    raise AssertionError("unreachable: there is always another number")


def _moved(draft: Path, place: Path) -> bool:
    """Move a file or folder to a name that nothing has; whether it was free.

    Looking first isn't enough: of two processes that find a name free, the second would replace what the first has
    moved there. A hard link is refused in one step where the name is taken, on network file systems too.
    """
    try:
        if draft.is_dir() or os.name == "nt":  # these are never moved over a file, or a folder with something in it
            os.rename(draft, place)
        else:
            os.link(draft, place)
            draft.unlink()
    except FileExistsError:
        return _is_linked(draft, place)
    except OSError as error:
        if error.errno in _TAKEN or (error.errno in _NO_LINKS and os.path.lexists(place)):
            return False
        if error.errno not in _NO_LINKS:
            raise
        os.rename(draft, place)
    return True


def _is_linked(draft: Path, place: Path) -> bool:
    """Whether the move has worked all the same: NFS repeats a request whose answer is lost, and is refused then."""
    with contextlib.suppress(OSError):  # removed in the meantime
        return not draft.is_dir() and os.path.samefile(draft, place)
    return False


def _same(one: Path, other: Path) -> bool:
    """Whether two files, or all files of two folders, are equal byte for byte."""
    if one.is_dir() != other.is_dir():
        return False
    names = [[file.relative_to(path) for file in _files(path)] for path in (one, other)]
    return names[0] == names[1] and all(filecmp.cmp(one / name, other / name, shallow=False) for name in names[0])


def cannot_write(path: Path, error: OSError) -> StorageError:
    """What to tell the user of a failed write."""
    return StorageError(
        f"{path} could not be written: {error.strerror or error}.",
        expected="a folder with free space that this user may write to",
        hint="free some space or choose another output folder, then run again; the previous file is untouched.",
    )


def write_bytes(path: Path, data: bytes, *, new: bool = False) -> None:
    """Write ``data`` to ``path`` atomically; arguments and errors as :func:`replacing`."""
    with replacing(path, new=new) as temporary:
        temporary.write_bytes(data)


def write_json(path: Path, value: Any) -> None:
    """Write ``value`` to ``path`` atomically as indented JSON."""
    write_bytes(path, json.dumps(value, indent=1, ensure_ascii=False).encode())


def save_with(path: Path, save: Callable[[str], object], *, new: bool = False) -> None:
    """Write ``path`` atomically with ``save``, a library function that takes a file name.

    Libraries wrap a full disk in errors of their own (safetensors raises ``SafetensorError``), so errors with the
    operating system's wording are reported as storage errors.

    Raises:
        NameTakenError: as by :func:`replacing`.
        StorageError: the disk is full, or the folder can't be written.
    """
    with replacing(path, new=new) as temporary:
        try:
            save(str(temporary))
        except OSError:
            raise
        except Exception as error:
            if "No space left" in str(error) or "os error" in str(error) or "I/O error" in str(error):
                raise OSError(str(error)) from error
            raise


def touch(path: Path) -> None:
    """Mark a file as used now, for pruning by age; does nothing if the file can't be touched."""
    with contextlib.suppress(OSError):
        os.utime(path)


def numbered(path: Path, *, is_folder: bool = False, first: int | None = None) -> Iterator[Path]:
    """Names to try for something new: ``fox.png``, ``fox_00002.png``, ``fox_00003.png``, …

    Args:
        path: the name wanted.
        is_folder: whether the number goes at the very end, since the name has no suffix.
        first: number of the first name, which has none by default.
    """
    suffix = "" if is_folder else path.suffix
    stem = path.name.removesuffix(suffix)
    if first is None:
        yield path
    yield from (path.with_name(f"{stem}_{number:05d}{suffix}") for number in itertools.count(first or 2))


def free_name(path: Path) -> Path:
    """The first of ``stem_00001.suffix``, ``stem_00002.suffix``, … that isn't taken."""
    return next(name for name in numbered(path, first=1) if not os.path.lexists(name))


def write_numbered(path: Path, data: bytes) -> Path:
    """Write ``data`` atomically to the first free of ``stem_00001.suffix``, ``stem_00002.suffix``, …; returns that.

    Raises:
        StorageError: the disk is full, or the folder can't be written.
    """
    while True:
        place = free_name(path)
        with contextlib.suppress(NameTakenError):  # by another process, just now
            write_bytes(place, data, new=True)
            return place

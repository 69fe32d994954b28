"""Zip archives from strangers: members can't point outside, and can't unpack into more than is bearable."""

from __future__ import annotations

import contextlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import DatasetError
from . import limits

_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""The other methods unpack a small piece of input into an unbounded piece of output."""
_ENCRYPTED = 0x1


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive for reading.

    Raises:
        DatasetError: it is damaged, gone or can't be read.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{path}: the archive can't be opened ({error})",
            expected="a whole zip archive",
            hint="copy or pack the archive again, or use the unpacked folder.",
        ) from error
    with archive:
        yield archive


def member_name(member: str) -> str:
    """A member's path with forward slashes, without ``./``."""
    return "/".join(part for part in re.split(r"[\\/]", member) if part not in ("", "."))


def safe_members(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Name with forward slashes -> member, for every file in the archive.

    Raises:
        DatasetError: a member would lie outside the data set, is a link, is encrypted, or is packed in another way
            than stored or deflated; two members have one name; or the archive would unpack into too much.
    """
    infos = archive.infolist()
    _check_size(infos, path)
    files: dict[str, zipfile.ZipInfo] = {}
    problems = []
    for info in infos:
        name = member_name(info.filename)
        if problem := _problem(info):
            problems.append(f"{info.filename}: {problem}")
        elif not info.is_dir() and name in files:
            problems.append(f"{info.filename}: two members have this name")
        elif not info.is_dir():
            files[name] = info
    if problems:
        raise DatasetError(
            f"{path}: the archive is refused for {len(problems)} of its members:\n  " + "\n  ".join(problems),
            expected="plain files below the archive's own root",
            hint="pack the folder of pictures again with an ordinary zip program, without links or a password.",
        )
    return files


def _problem(info: zipfile.ZipInfo) -> str:
    parts = re.split(r"[\\/]", info.filename)
    if ".." in parts:
        return "its path leads out of the archive"
    if parts[0] == "" or re.match(r"[A-Za-z]:", info.filename):
        return "its path is absolute"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a symbolic link"
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if info.compress_type not in _READABLE:
        return f"it is packed with method {info.compress_type}; only stored and deflated members are read"
    return ""


def _check_size(infos: list[zipfile.ZipInfo], path: Path) -> None:
    total = sum(info.file_size for info in infos)
    largest = max(infos, key=lambda info: info.file_size, default=None)
    if len(infos) > limits.MAX_MEMBERS:
        problem, bound = f"{len(infos):,} members", f"at most {limits.MAX_MEMBERS:,} members"
    elif largest and largest.file_size > limits.MAX_FILE_BYTES:
        problem = f"{largest.filename} with {largest.file_size:,} bytes"
        bound = f"at most {limits.MAX_FILE_BYTES:,} bytes in one member"
    elif total > limits.MAX_ARCHIVE_BYTES:
        problem, bound = f"{total:,} bytes in all", f"at most {limits.MAX_ARCHIVE_BYTES:,} bytes when unpacked"
    else:
        return
    raise DatasetError(
        f"{path}: the archive would unpack into too much: {problem}",
        expected=bound,
        hint="if you trust the archive, unpack it yourself and load the folder.",
    )


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """The unpacked bytes of one member, given up as soon as they outgrow ``limit`` or what its header promised.

    The sizes in the headers were checked as a whole by ``safe_members``; holding each member to its own header
    holds the sum of what is really unpacked to the same bound.

    Raises:
        DatasetError: the member is damaged or too large.
    """
    name = member_name(info.filename)
    try:
        with archive.open(info) as file:
            return limits.read_bounded(file, name, min(limit, info.file_size))
    except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{name}: it is damaged inside the archive ({error})",
            expected="a whole member",
            hint="pack the archive again, or leave the file out.",
        ) from error

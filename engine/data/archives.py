"""Untrusted zip archives: members can't point outside the archive or unpack into more than the limits allow."""

from __future__ import annotations

import contextlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from ..core.errors import DatasetError
from ..core.words import first_of
from . import limits
from .archive_names import decoded_names, member_name

_READABLE = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""Other methods can unpack a few bytes into unbounded output."""
_ENCRYPTED = 0x1


@contextlib.contextmanager
def open_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive for reading.

    Raises:
        DatasetError: the archive is missing, damaged or unreadable.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{path}: the archive can't be opened ({error})",
            expected="an intact zip archive",
            hint="copy or zip it again, or use the unpacked folder.",
        ) from error
    with archive:
        yield archive


def safe_members(archive: zipfile.ZipFile, path: Path) -> tuple[dict[str, zipfile.ZipInfo], str]:
    """Name with forward slashes -> member, for every file in the archive; and the encoding found for names without one.

    Raises:
        DatasetError: a member points outside the archive, is a link, is encrypted, or uses a compression method other
            than stored or deflated; two members share a name; or the unpacked archive would be too large.
    """
    infos = archive.infolist()
    _check_size(infos, path)
    files: dict[str, zipfile.ZipInfo] = {}
    problems = []
    names, encoding = decoded_names(infos, _texts(archive, infos))
    for info, decoded in zip(infos, names, strict=True):
        name = member_name(decoded)
        if problem := _problem(info, decoded):
            problems.append(f"{decoded}: {problem}")
        elif not info.is_dir() and name in files:
            problems.append(f"{decoded}: two members have this name")
        elif not info.is_dir():
            files[name] = info
    if problems:
        raise DatasetError(
            f"{path}: the archive has members that are not allowed:\n  " + first_of(problems, 20, "\n  "),
            expected="plain files inside the archive's own root",
            hint="zip the folder of pictures again with an ordinary zip program, without links or a password.",
        )
    return files, encoding


def _texts(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> str:
    """The text of the first tables of captions, which mention names in UTF-8, and of the first captions."""
    readable = [info for info in infos if not _problem(info, info.filename)]
    tables = [info for info in readable if info.filename.lower().endswith((".jsonl", ".csv", ".tsv", ".json"))]
    captions = [info for info in readable if info.filename.lower().endswith((".txt", ".caption"))]
    heads = (read_member_head(archive, info, limits.MAX_CAPTION_BYTES) for info in (*tables[:10], *captions[:10]))
    return "\n".join(head.decode(errors="ignore") for head in heads)


def _problem(info: zipfile.ZipInfo, name: str) -> str:
    parts = re.split(r"[\\/]", name)
    if not name:
        return "it has no name"
    if ".." in parts:
        return "its path points outside the archive"
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "its path is absolute"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "it is a symbolic link"
    if info.flag_bits & _ENCRYPTED:
        return "it is encrypted"
    if info.compress_type not in _READABLE:
        return f"it uses compression method {info.compress_type}; only stored and deflated members are read"
    return ""


def _check_size(infos: list[zipfile.ZipInfo], path: Path) -> None:
    total = sum(info.file_size for info in infos)
    largest = max(infos, key=lambda info: info.file_size, default=None)
    if len(infos) > limits.MAX_MEMBERS:
        problem, limit = f"it has {len(infos):,} members", f"at most {limits.MAX_MEMBERS:,} members"
    elif largest and largest.file_size > limits.MAX_FILE_BYTES:
        problem = f"{largest.filename} has {largest.file_size:,} bytes"
        limit = f"at most {limits.MAX_FILE_BYTES:,} bytes per member"
    elif total > limits.MAX_ARCHIVE_BYTES:
        problem, limit = f"it has {total:,} bytes in total", f"at most {limits.MAX_ARCHIVE_BYTES:,} bytes in total"
    else:
        return
    raise DatasetError(
        f"{path}: the unpacked archive would be too large: {problem}",
        expected=limit,
        hint="if you trust the archive, unpack it yourself and load the folder.",
    )


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """Unpack one member, stopping as soon as it outgrows ``limit`` or the size in its header.

    ``safe_members`` checked the sum of the sizes in the headers, so holding each member to its header bounds the whole
    archive.

    Raises:
        DatasetError: the member is damaged or too large.
    """
    name = info.filename
    try:
        with archive.open(info) as file:
            return limits.read_bounded(file, name, min(limit, info.file_size))
    except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile) as error:
        raise DatasetError(
            f"{name}: it is damaged inside the archive ({error})",
            expected="an intact member",
            hint="zip the folder again, or leave the file out.",
        ) from error


def read_member_head(archive: zipfile.ZipFile, info: zipfile.ZipInfo, size: int) -> bytes:
    """The first ``size`` bytes of a member; empty if it is damaged."""
    try:
        with archive.open(info) as file:
            return file.read(size)
    except (OSError, EOFError, RuntimeError, NotImplementedError, zlib.error, zipfile.BadZipFile):
        return b""

"""Where the bytes of a picture are: in a file, in a zip archive, or in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from ..core.errors import DatasetError
from ..core.hashing import bytes_hash
from . import limits
from .archive_names import member_name
from .archives import open_archive, read_member


class ImageSource(Protocol):
    """Where the bytes of one picture are."""

    @property
    def name(self) -> str:
        """Path relative to the data set's root, with forward slashes."""
        ...

    def read(self) -> bytes:
        """The encoded picture."""
        ...


@dataclass(frozen=True)
class FileSource:
    """A file below the root of a data set."""

    root: Path
    name: str

    def read(self) -> bytes:
        return read_file(self.root, self.name, limits.MAX_FILE_BYTES)


@dataclass(frozen=True)
class ZipSource:
    """A member of a zip archive. The archive is opened for each read, so no handle is shared or kept open."""

    archive: Path
    member: str
    """The name as zipfile reads it."""
    decoded: str = ""
    """The path that it stands for, if that is another."""

    @property
    def name(self) -> str:
        return self.decoded or member_name(self.member)

    def read(self) -> bytes:
        with open_archive(self.archive) as archive:
            try:
                info = archive.getinfo(self.member)
            except KeyError:
                raise DatasetError(
                    f"{self.name}: it is no longer in {self.archive}",
                    hint="load the data set again; the archive has changed.",
                ) from None
            return read_member(archive, info, limits.MAX_FILE_BYTES)


@dataclass(frozen=True)
class MemorySource:
    """An encoded picture in memory."""

    name: str
    data: bytes = field(repr=False)

    def read(self) -> bytes:
        return self.data


@dataclass(frozen=True)
class RenamedSource:
    """A source under another name, so that names stay unique when data sets are joined."""

    source: ImageSource
    name: str

    def read(self) -> bytes:
        return self.source.read()


def read_unchanged(source: ImageSource, content_hash: str) -> bytes:
    """The bytes of a picture, checked against the hash taken when the data set was read.

    Raises:
        DatasetError: the file is missing or has changed.
    """
    data = source.read()
    if bytes_hash(data) != content_hash:
        raise DatasetError(
            f"{source.name} has changed since the data set was read.",
            expected="files that don't change during a run",
            hint="run again to reload the data set.",
        )
    return data


def read_file(root: Path, path: str, limit: int) -> bytes:
    """The bytes of ``root / path``.

    Raises:
        DatasetError: it isn't a regular file, can't be read, or is larger than ``limit`` bytes.
    """
    full = root / path
    try:
        if full.exists() and not full.is_file():
            raise OSError("not a regular file")
        with open(full, "rb") as file:
            return limits.read_bounded(file, path, limit)
    except OSError as error:
        raise DatasetError(
            f"{path}: it can't be read ({error.strerror or error})",
            expected="a readable file",
            hint=f"check the permissions of {full}, and whether it is a broken link.",
        ) from error


def read_head(path: Path, size: int) -> bytes:
    """The first ``size`` bytes of a regular file; empty if there is none that can be read."""
    try:
        if not path.is_file():
            return b""
        with open(path, "rb") as file:
            return file.read(size)
    except OSError:
        return b""

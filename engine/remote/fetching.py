"""The adapter out of what a provider gives: a safetensors file, or an archive with one."""

from __future__ import annotations

import re
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from ..core.errors import AdapterError

_SUFFIX = ".safetensors"
_MOST_BYTES = 16 << 30
_MOST_MEMBERS = 10_000
_Open = Callable[[], "IO[bytes] | None"]


def unpacked(path: Path, target: Path) -> Path:
    """The adapter's file: ``path`` itself, or ``target`` with the one in the archive. Nothing else is unpacked.

    Raises:
        AdapterError: there is none, or the archive is damaged.
    """
    try:
        if tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                return _written(_best({m.name: (m.size, _of_tar(archive, m)) for m in _files(archive)}, path), target)
        if _begins_as_zip(path) and zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                members = archive.infolist()[:_MOST_MEMBERS]
                return _written(_best({m.filename: (m.file_size, _of_zip(archive, m)) for m in members}, path), target)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise AdapterError(
            f"The archive with the adapter is damaged: {type(error).__name__}.",
            expected="a tar or zip with a safetensors file",
            hint="run again: it is fetched again, and nothing is paid again.",
        ) from error
    return path


def _begins_as_zip(path: Path) -> bool:
    """Weights may hold the mark that zips end with, by chance."""
    with path.open("rb") as file:
        return file.read(2) == b"PK"


def _files(archive: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    for number, member in enumerate(archive):
        if number >= _MOST_MEMBERS:
            return
        if member.isfile():
            yield member


def _of_tar(archive: tarfile.TarFile, member: tarfile.TarInfo) -> _Open:
    return lambda: archive.extractfile(member)


def _of_zip(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> _Open:
    return lambda: archive.open(member)


def _best(members: dict[str, tuple[int, _Open]], path: Path) -> _Open:
    """The adapter among the members of an archive: the last step's, whose name has no number, or else the one with the
    highest; in the outermost folder that has any."""
    found = sorted((name for name in members if name.lower().endswith(_SUFFIX)), key=_place)
    if not found:
        raise AdapterError(
            f"What came back holds no adapter, but {', '.join(sorted(members)[:5]) or 'nothing'}.",
            expected="a safetensors file in the archive; other formats can run code, and aren't read",
            hint=f"look at the job's page there; the archive was {path.stat().st_size / 1e6:.1f} MB.",
        )
    finals = [name for name in found if not any(c.isdigit() for c in name.rsplit("/", 1)[-1])]
    name = (finals or found)[-1]
    size, read = members[name]
    if size > _MOST_BYTES:
        raise AdapterError(f"{name} is {size / 1e9:.0f} GB.", expected="an adapter")
    return read


def _place(name: str) -> tuple[int, list[tuple[int, str]]]:
    """For sorting: inner folders first, then by the numbers in names."""
    parts = re.findall(r"(\d+)|(\D+)", name)
    return -name.count("/"), [(int(number or -1), text) for number, text in parts]


def _written(read: _Open, target: Path) -> Path:
    with _opened(read) as source, target.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
    return target


@contextmanager
def _opened(read: _Open) -> Iterator[IO[bytes]]:
    source = read()
    assert source is not None  # only files are listed
    with source:
        yield source

"""Files that nodes read and write."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from ...engine.core.errors import StorageError
from ...engine.core.file_names import usable
from ..host import host


def newest_change(path: Path) -> int:
    """When the file, or the newest file below the folder, was last written; nanoseconds since the epoch."""
    files = path.rglob("*") if path.is_dir() else [path]
    return max((file.stat().st_mtime_ns for file in files), default=0)


def new_file(folder: Path, name: str) -> Path:
    """The path of a new file in ``folder``, never outside.

    Args:
        folder: doesn't have to exist.
        name: may contain sub-folders, with forward or backward slashes; what some systems don't allow in file names
            is replaced, as in ``engine.core.file_names.usable``.

    Raises:
        StorageError: the name is empty, absolute or leads out of the folder with ``..``.
    """
    place = PurePosixPath(name.strip().replace("\\", "/"))
    if not place.parts or place.is_absolute() or ".." in place.parts or re.match(r"[A-Za-z]:", name.strip()):
        raise StorageError(
            f"{name!r} can't be used as a file name.",
            expected=f"a name, optionally with sub-folders, below {folder}",
            hint="enter a name such as fox, or animals/fox for a sub-folder.",
        )
    return folder.joinpath(*map(usable, place.parts))


def below_output(path: Path) -> str:
    """The path relative to the output folder, with forward slashes."""
    return path.relative_to(host().output_directory()).as_posix()

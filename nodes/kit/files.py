"""Files that nodes read and write."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from ...engine.core.errors import StorageError
from ...engine.core.file_names import usable
from ...engine.core.hashing import value_hash
from ...engine.core.stamps import tree_stamp
from ..host import host


def stamp_of(path: Path) -> str:
    """Changes with the file, or with any file below the folder; no content is read."""
    return value_hash(tree_stamp(path))


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

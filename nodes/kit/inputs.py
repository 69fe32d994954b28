"""What several nodes do with the values of their inputs."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from ...engine.core.errors import StorageError, WorkbenchError

ADVANCED = {"advanced": True}
"""``extra_dict`` of an input that few users need."""
LARGEST_SEED = 2**64 - 1
FIXED_SEED = {"control_after_generate": "fixed"}
"""``extra_dict`` of a seed that the front end leaves alone after a run, so that nothing is made anew unasked."""

_UNUSABLE = re.compile(r'[<>:"|?*\x00-\x1f]')


def problem(check: Callable[[str], object], value: str | None) -> bool | str:
    """What ``validate_inputs`` gives back: ``True``, or why ``check`` refuses the value.

    A value that comes through a link isn't known yet, ``None``, and passes.
    """
    try:
        if value is not None:
            check(value)
    except WorkbenchError as error:
        return str(error)
    return True


def lines(text: str) -> tuple[str, ...]:
    """The lines of a text that aren't blank, without blanks around them."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def seeds(first: int, count: int) -> tuple[int, ...]:
    """So many seeds that follow each other; after the largest comes 0."""
    return tuple((first + number) % (LARGEST_SEED + 1) for number in range(count))


def new_file(folder: Path, name: str) -> Path:
    """Where a file goes that a graph names: below ``folder``, never outside.

    Args:
        folder: may not exist yet.
        name: may hold sub-folders, with forward or backward slashes; signs that some systems refuse in file names
            become underscores.

    Raises:
        StorageError: the name is empty, absolute or leads out of the folder with ``..``.
    """
    cleaned = _UNUSABLE.sub("_", name.strip().replace("\\", "/"))
    parts = PurePosixPath(cleaned).parts
    if not parts or cleaned.startswith("/") or ".." in parts or re.match(r"[A-Za-z]:", name.strip()):
        raise StorageError(
            f"{name!r} can't be used as a file name.",
            expected=f"a name, perhaps with sub-folders, below {folder}",
            hint="write a name such as fox, or a sub-folder and a name such as animals/fox.",
        )
    return folder.joinpath(*parts)


def or_else(text: str, other: Any) -> str:
    """The text without blanks around it, or ``other`` where nothing is left."""
    return text.strip() or str(other)

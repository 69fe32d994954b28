"""Which folders an agent may train on: those below the allowed ones, whatever links say."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..engine.core.errors import DatasetError
from ..engine.core.words import did_you_mean, first_of

_MOST = 100_000
"""Files that are looked at for links."""


def training_folder(text: str, roots: Sequence[Path]) -> Path:
    """A folder or archive of training pictures.

    Args:
        text: a full path, or one that starts from any of the roots.
        roots: allowed folders.

    Raises:
        DatasetError: there is none, or it isn't below a root, or something in it is a link that leads out of the roots.
    """
    allowed = [Path(os.path.realpath(root)) for root in roots]
    path = Path(os.path.expanduser(text.strip()))
    candidates = [path] if path.is_absolute() else [root / path for root in allowed]
    found = [real for real in map(_real, candidates) if real]
    inside = [real for real in found if _is_below(real, allowed)]
    existing = next((real for real in inside if real.exists()), None)
    if not text.strip() or "\0" in text or existing is None:
        is_outside = not inside or any(real.exists() for real in found if real not in inside)
        raise _refused(text, allowed, is_outside=is_outside)
    if link := _link_out(existing, allowed):
        raise DatasetError(
            f"{link} is a link that leads out of the allowed folders.",
            expected=f"pictures below {_told(allowed)}",
            hint="copy the pictures themselves into the folder.",
        )
    return existing


def _real(path: Path) -> Path | None:
    """Without links; ``None`` for what can't be a path."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError):
        return None


def _is_below(path: Path, roots: Sequence[Path]) -> bool:
    return any(path.is_relative_to(root) for root in roots)


def _link_out(folder: Path, roots: Sequence[Path]) -> Path | None:
    """The first link in a folder that leads out of the roots."""
    looked = 0
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            looked += 1
            path = Path(parent, name)
            if path.is_symlink() and not ((real := _real(path)) and _is_below(real, roots)):
                return path
        if looked > _MOST:
            raise DatasetError(
                f"{folder} has more than {_MOST:,} files.", expected="a folder of training pictures",
                hint="name the folder with the pictures itself.",
            )  # fmt: skip
    return None


def _refused(text: str, roots: Sequence[Path], *, is_outside: bool) -> DatasetError:
    if is_outside and text.strip():
        return DatasetError(
            f"The folder {text!r} isn't below an allowed one.",
            expected=f"a folder below {_told(roots)}",
            hint="copy the pictures there; or let the user start the server with --root FOLDER.",
        )
    near = [path.name for root in roots for path in _folders(root)]
    return DatasetError(
        f"There is no folder {text!r}{did_you_mean(Path(text.strip()).name, near) or '.'}",
        expected=f"a folder or .zip of pictures below {_told(roots)}",
        hint=f"these have folders: {first_of(sorted(set(near)), 12)}." if near else "create it there first.",
    )


def _folders(root: Path) -> list[Path]:
    """The folders right below a root, without hidden ones."""
    try:
        return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.name.startswith(".")]
    except OSError:
        return []


def _told(roots: Sequence[Path]) -> str:
    return " or ".join(map(str, roots))

"""Paths from a graph, resolved below known folders and never out of them by ``..``."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from ...engine.core.errors import WorkbenchError

NO_SUCH_FILE = "check the spelling, and that the file is there."


def locate(
    text: str,
    roots: Sequence[Path],
    *,
    what: str,
    error: type[WorkbenchError],
    confined: bool = False,
    hint: str | Callable[[], str] = NO_SUCH_FILE,
) -> Path:
    """The first of ``root / text`` that exists, or ``text`` itself if it is an absolute path that exists.

    Args:
        text: with forward or backward slashes, perhaps in quotes; a leading ``~`` is the home folder.
        what: what is searched for, for the message.
        error: class of the errors.
        confined: whether even an absolute path must be below one of the roots.
        hint: what to do if nothing is found, or what finds that out then.

    Raises:
        WorkbenchError: of class ``error``: nothing is found, or ``text`` is blank, contains ``..``, or is an absolute
            path elsewhere although confined.
    """
    text = _unquoted(text)
    if not text.strip():
        raise error(f"No {what} is named.", hint=f"write the name or path of the {what}.")
    if "\0" in text:
        raise error(f"No {what} at {text!r}.", expected="a path, which holds no zero character", hint=NO_SUCH_FILE)
    path = Path(os.path.expanduser(text.strip().replace("\\", "/")))  # Path's own raises for an unknown user
    places = ", ".join(dict.fromkeys(str(root) for root in roots))
    elsewhere = path.is_absolute() and not any(path.is_relative_to(root.absolute()) for root in roots)
    if ".." in path.parts or (confined and elsewhere):
        raise error(
            f"The {what} {text!r} leads out of the folders that it must be in.",
            expected=f"a path without '..', below {places}",
            hint="copy it into one of these folders, and give its path from there.",
        )
    candidates = [path] if path.is_absolute() else [root / path for root in roots]
    for candidate in candidates:
        with contextlib.suppress(OSError):  # a name that is too long, or a folder that can't be looked into
            if candidate.is_dir() or candidate.is_file():  # devices and pipes may never end
                return candidate
    raise error(
        f"No {what} at {text!r}.",
        expected="a full path that exists" if path.is_absolute() else f"something below {places}",
        hint=hint if isinstance(hint, str) else hint(),
    )


def _unquoted(text: str) -> str:
    """A path without the quotes that Windows puts around what it copies as a path."""
    return re.sub(r"""^\s*(["'])(.+)\1\s*$""", r"\2", text)


def files_below(roots: Sequence[Path], suffix: str) -> list[str]:
    """Names of all files with ``suffix`` below ``roots``, relative to them, sorted, each once."""
    return sorted(
        {path.relative_to(root).as_posix() for root in roots if root.is_dir() for path in root.rglob(f"*{suffix}")}
    )

"""Paths in files that leave this machine: they must not name its folders."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

_WHOLE = re.compile(r"(?:file://)?(?:/[^/\n]+/|~/|[A-Za-z]:[\\/]|\\\\)[^\n]*")
_EMBEDDED = re.compile(
    r"""(?<![\w.:/\\~-])                 # not inside a word, an address or a relative path
    (?:file://)?
    (?:/(?:[^\\/\s"'<>|]+/){2,}         # /home/someone/
      |(?:~/|[A-Za-z]:[\\/]|\\\\)(?:[^\\/\s"'<>|]+[\\/])+)""",
    re.VERBOSE,
)


def portable(value: Any, roots: Sequence[Path] = ()) -> Any:
    """A copy of a JSON value without the folders of absolute paths.

    A string that is a path below one of ``roots`` becomes relative to it, so that it still works here; any other path
    is reduced to its last part. Paths inside longer strings lose their folders too. The root of the file system is
    ignored in ``roots``, since everything is below it.
    """
    if isinstance(value, dict):
        return {key: portable(part, roots) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [portable(part, roots) for part in value]
    if not isinstance(value, str):
        return value
    return _relative(value, roots) if _WHOLE.fullmatch(value) else _EMBEDDED.sub("", value)


def _relative(text: str, roots: Sequence[Path]) -> str:
    path = Path(text)
    for root in (root.absolute() for root in roots):
        if path != root and root != root.parent and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return PurePosixPath(text.replace("\\", "/")).name

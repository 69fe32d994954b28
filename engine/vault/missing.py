"""Which adapters somebody may have meant by a name that there is none of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from ..adapters.finding import near_names
from ..core.errors import AdapterError
from ..core.words import first_of
from .index import opened
from .reading import read_card
from .sidecars import NOTHING

_MOST = 3
_NEW = 50
"""Files that are read for their content, if the index doesn't know them: people wait for the message."""
_WAIT = 0.1
"""Seconds that another process may hold the index."""


def suggestion(name: str, files: Sequence[str], path_of: Callable[[str], Path], place: Path) -> str:
    """What to do about a missing adapter, in words; empty if nothing is like it.

    Args:
        name: that there is no file of, with forward or backward slashes.
        files: the names that there are, with forward slashes.
        path_of: gives the path of one of these.
        place: of the vault's index, which may know what the file held.
    """
    name = name.strip().replace("\\", "/")
    same = _same_content(name, files, path_of, place)
    near = [other for other in near_names(name, files) if other not in same]
    parts = []
    if same:
        parts.append(f"what was in it is now in {first_of(same, _MOST)}")
    if near:
        parts.append(f"names like it are {first_of(near, _MOST)}")
    return f"{'; '.join(parts)}." if parts else ""


def _same_content(name: str, files: Sequence[str], path_of: Callable[[str], Path], place: Path) -> list[str]:
    """Names of files with what the index knows of the missing one, of those that are there. Nothing is written."""
    if not place.is_file():
        return []
    with opened(place, _WAIT) as index:
        lost = index.fingerprints(name)
        known, same = (index.names(), index.same_as(name)) if lost else (set(), [])
    new = [other for other in files if lost and other not in known][:_NEW]
    found = [other for other in new if _fingerprint(path_of, other) in lost]
    return [*(other for other in same if other in files), *found]


def _fingerprint(path_of: Callable[[str], Path], name: str) -> str:
    with suppress(AdapterError):
        path = path_of(name)
        return read_card(name, path, NOTHING).fingerprint
    return ""

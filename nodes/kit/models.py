"""Base models that nodes keep in memory."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...engine.models.contract import Backbone


def newest_change(path: Path) -> int:
    """When the file, or the newest below the folder, was last written; nanoseconds since the epoch."""
    files = path.rglob("*") if path.is_dir() else [path]
    return max((file.stat().st_mtime_ns for file in files), default=0)


@lru_cache(maxsize=1)
def loaded(path: Path, changed: int, device: str, precision: str) -> Backbone:
    """The base model that was asked for last stays in memory, as nodes keep nothing themselves."""
    from ...engine.models.registry import load_base

    del changed  # part of the key only
    return load_base(path, device=device, precision=precision)

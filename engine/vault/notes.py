"""Notes of the user's own on an adapter, in a file beside it: ``fox.lw.json``."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..core.encodings import decoded
from ..core.errors import AdapterError, ConfigError
from ..core.storage import write_json
from .said import phrases
from .sidecars import MOST, OWN, stem_of

_FAR = 10.0
"""Largest absolute weight, as of stacks."""


def write_notes(
    path: Path,
    *,
    notes: str | None = None,
    weight: float | None = None,
    triggers: Sequence[str] = (),
    prompts: Sequence[str] = (),
    pinned: bool | None = None,
) -> Path:
    """Keep something about an adapter beside it. What isn't given stays as it is noted, and so do other fields.

    Args:
        path: of the adapter, a file or a folder.
        notes: replaces those before; an empty text removes them.
        weight: recommended, for stacks.
        triggers: trigger phrases, added to those that are noted.
        prompts: sample prompts, added likewise.
        pinned: whether it is among those that are at hand: agents get a tool for each of them.

    Returns:
        The file with the notes.

    Raises:
        ConfigError: the weight isn't finite, or beyond 10.
        AdapterError: there is no such adapter, or the file with the notes is damaged.
        StorageError: it can't be written.
    """
    if not path.exists():
        raise AdapterError(f"No adapter at {path}.", hint="check the name and the folder.")
    if weight is not None and not (math.isfinite(weight) and abs(weight) <= _FAR):
        raise ConfigError(f"The weight {weight:g} can't be recommended.", expected=f"from {-_FAR:g} to {_FAR:g}")
    file = path.with_name(stem_of(path) + OWN)
    fields = _noted(file)
    if notes is not None:
        fields["notes"] = notes
    if weight is not None:
        fields["weight"] = weight
    if pinned is not None:
        fields["pinned"] = pinned
    for name, more in (("triggers", triggers), ("prompts", prompts)):
        if more:
            before = fields.get(name)
            fields[name] = [*phrases([*(before if isinstance(before, list) else []), *more])]
    write_json(file, {"version": 1, **fields})
    return file


def _noted(file: Path) -> dict[str, Any]:
    """What is noted.

    Raises:
        AdapterError: the file is damaged, so that it mustn't be replaced.
    """
    if not file.exists():
        return {}
    try:
        fields = json.loads(decoded(file.read_bytes())) if file.stat().st_size <= MOST else None
    except (OSError, ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        raise AdapterError(
            f"{file} can't be read, so nothing is added to it.",
            expected="a JSON object, as it was written here",
            hint="correct it by hand, or move it away.",
        )
    return fields

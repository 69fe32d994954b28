"""Saving adapters under names that no other adapter has."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from ..core.errors import AdapterError
from ..core.storage import numbered
from .adapter import Adapter
from .files import HASH, read_metadata, save_adapter, tensor_hash

SUFFIX = ".safetensors"


class Kept(NamedTuple):
    """Where an adapter lies."""

    path: Path
    written: bool
    """Whether it was written now; otherwise the file was there already."""


def keep(adapter: Adapter, place: Path, *, dtype: Literal["float16", "float32"] = "float16") -> Kept:
    """Save an adapter as ``place.safetensors``, or where another one has that name, as ``place_00002.safetensors`` …

    A file that holds the same tensors is left as it is and counts as saved.

    Args:
        adapter: what to save.
        place: folder and name without ending.
        dtype: of the factors.

    Raises:
        AdapterError: values that ``dtype`` can't hold.
        StorageError: the disk is full, or the folder can't be written.
    """
    content = tensor_hash(adapter, key_style=adapter.key_style, dtype=dtype)
    for path in numbered(place.with_name(place.name + SUFFIX)):
        if not path.exists():
            save_adapter(adapter, path, key_style=adapter.key_style, dtype=dtype)
            return Kept(path, written=True)
        if _stored_hash(path) == content:
            return Kept(path, written=False)
    raise AssertionError("the names never end")


def _stored_hash(path: Path) -> str:
    """What the file says of its tensors; nothing for one that is damaged or from elsewhere."""
    try:
        return read_metadata(path).get(HASH, "")
    except AdapterError:
        return ""

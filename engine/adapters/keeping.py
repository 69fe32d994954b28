"""Saving adapters without overwriting others."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Literal, NamedTuple

from ..core.errors import AdapterError
from ..core.storage import NameTakenError, numbered
from .adapter import Adapter
from .files import HASH, file_tensors, read_metadata, save_adapter, tensor_hash
from .private import private

SUFFIX = ".safetensors"


class Kept(NamedTuple):
    """The file of an adapter."""

    path: Path
    written: bool
    """Whether it was written now, rather than found."""


def exact_dtype(adapter: Adapter) -> Literal["float16", "float32"]:
    """The smaller dtype that rounds none of the values that its file would have in float32."""
    whole = file_tensors(adapter, dtype="float32")
    with contextlib.suppress(AdapterError):  # values beyond its range
        half = file_tensors(adapter, dtype="float16")
        if all(bool((half[name].float() == tensor.float()).all()) for name, tensor in whole.items()):
            return "float16"
    return "float32"


def keep(
    adapter: Adapter, place: Path, *, dtype: Literal["float16", "float32"] = "float16", without_data: bool = False
) -> Kept:
    """Save an adapter as ``place.safetensors``, or as ``place_00002.safetensors`` and so on if the name is taken.

    If one of these files has the same tensors, it counts as the saved adapter.

    Args:
        adapter: the adapter.
        place: folder and name, without suffix.
        dtype: of the factors.
        without_data: leave out what tells about the data set; a file that has it is another one. See
            :func:`~.private.private`.

    Raises:
        AdapterError: ``dtype`` can't hold the values.
        StorageError: the disk is full, or the folder can't be written.
    """
    if without_data:
        adapter = replace(adapter, metadata=private(adapter.metadata))
    content = tensor_hash(adapter, key_style=adapter.key_style, dtype=dtype)
    for path in numbered(place.with_name(place.name + SUFFIX)):
        if not path.exists():
            with contextlib.suppress(NameTakenError):  # by another process, just now
                save_adapter(adapter, path, key_style=adapter.key_style, dtype=dtype, new=True)
                return Kept(path, written=True)
        with contextlib.suppress(AdapterError):  # a damaged file is another one
            found = read_metadata(path)
            if found.get(HASH) == content and not (without_data and private(found) != found):
                return Kept(path, written=False)
    raise AssertionError("unreachable: there is always another number")

"""The picture beside an adapter, ``fox.preview.png``, which this and other programs show of it."""

from __future__ import annotations

import io
from pathlib import Path

from ..core.errors import AdapterError
from ..core.storage import write_bytes, write_numbered
from ..data import limits
from ..data.opening import opened
from .sidecars import Folders, stem_of

SIDE = 1024
"""Pixels of the longer side, at most."""
_PREVIEW = ".preview.png"
_REPLACED = ".replaced"


def write_preview(path: Path, picture: Path) -> Path:
    """Make a picture the preview of an adapter. The one before is kept as ``fox.replaced_00001.png``.

    Nothing but its pixels is taken over: what else the file tells, such as a graph, stays where it is.

    Args:
        path: of the adapter, a file or a folder.
        picture: any that data sets may have.

    Returns:
        The file of the preview.

    Raises:
        AdapterError: there is no such adapter.
        DatasetError: the picture can't be read, or is too large.
        StorageError: it can't be written.
    """
    if not path.exists():
        raise AdapterError(f"No adapter at {path}.", hint="check the name and the folder.")
    content, before = _encoded(picture), Folders().beside(path).preview
    preview = path.with_name(stem_of(path) + _PREVIEW)
    if before:
        write_numbered(path.with_name(stem_of(path) + _REPLACED + before.suffix), before.read_bytes())
    write_bytes(preview, content)
    if before and before != preview:
        before.unlink(missing_ok=True)  # other programs would show it still
    return preview


def _encoded(picture: Path) -> bytes:
    """
    Raises:
        DatasetError: it can't be read, or is too large.
    """
    with picture.open("rb") as file:
        content = limits.read_bounded(file, picture.name, limits.MAX_FILE_BYTES)
    buffer = io.BytesIO()
    with opened(content, picture.name) as image:
        small = image.convert("RGB")
        small.thumbnail((SIDE, SIDE))
        small.save(buffer, "PNG")
    return buffer.getvalue()

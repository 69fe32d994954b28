"""Writing captions back to the text files beside pictures, so that nothing is lost."""

from __future__ import annotations

import contextlib
import os
import stat
from collections import Counter
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..core.errors import DatasetError, StorageError
from ..core.hashing import bytes_hash
from ..core.storage import adding, write_bytes
from . import limits
from .captions_on_disk import decode_text
from .dataset import Dataset, ImageRecord
from .names import is_unicode
from .sources import FileSource, ImageSource, RenamedSource, ZipSource, read_file

NEW_FILE = ".txt"


@dataclass(frozen=True)
class CaptionChange:
    """A caption file to write."""

    picture: str
    path: Path
    root: Path
    """Of the data set."""
    before: bytes | None
    """What the file holds; ``None`` for a new one."""
    after: bytes


@dataclass(frozen=True, kw_only=True)
class CaptionPlan:
    """What writing captions would do."""

    changes: tuple[CaptionChange, ...]
    unchanged: tuple[str, ...]
    """Pictures whose files hold these captions already."""
    refused: Mapping[str, str]
    """Picture -> why its caption can't be written."""


@dataclass(frozen=True, kw_only=True)
class WrittenCaptions:
    """What was written."""

    written: tuple[str, ...]
    """Pictures."""
    backups: tuple[Path, ...]
    """Copies of the files that were replaced."""
    refused: Mapping[str, str]
    """Picture -> why its caption wasn't written; its file is as it was."""


class _RefusedError(Exception):
    """Why a caption can't be written."""


def plan_captions(
    dataset: Dataset, captions: Mapping[str, str], roots: Sequence[Path], ours: Mapping[str, str]
) -> CaptionPlan:
    """Look what writing captions would do; nothing is written.

    Only text files beside the pictures are written, those that the captions were read from, or new ones for pictures
    that have no caption on disk. A file that isn't as it was when the data set was read is left alone.

    Args:
        dataset: as it was read; what its captions are now doesn't matter.
        captions: picture -> caption, which may be blank.
        roots: folders that may be written in.
        ours: picture -> content hash of its file as :func:`write_planned` left it since.
    """
    records = {record.name: record for record in dataset}
    shared = Counter(place for record in dataset if (place := _place(record)))
    changes, unchanged, refused = [], [], {}
    for name, caption in captions.items():
        try:
            if name not in records:
                raise _RefusedError("the data set has no such picture")
            change = _change(records[name], caption, roots, ours.get(name, ""))
            if shared[change.path] > 1:
                raise _RefusedError(f"its caption file, {change.path.name}, is that of another picture too")
        except _RefusedError as reason:
            refused[name] = str(reason)
        else:
            if (change.before is not None and _same(change)) or (change.before is None and not change.after):
                unchanged.append(name)
            else:
                changes.append(change)
    return CaptionPlan(changes=tuple(changes), unchanged=tuple(unchanged), refused=refused)


def write_planned(plan: CaptionPlan, backups: Path, ours: MutableMapping[str, str]) -> WrittenCaptions:
    """Write what was planned, each file as a whole or not at all, after a copy of what it replaces.

    Args:
        plan: of :func:`plan_captions`.
        backups: folder for the copies; none replaces another.
        ours: as there; what is written is added.
    """
    written, copies = [], []
    refused = dict(plan.refused)
    for change in plan.changes:
        try:
            copy = None if change.before is None else _copied(change, backups)
            _write(change)
        except (_RefusedError, StorageError) as error:
            refused[change.picture] = error.got if isinstance(error, StorageError) else str(error)
        else:
            written.append(change.picture)
            copies += [copy] if copy else []
            ours[change.picture] = bytes_hash(change.after)
    return WrittenCaptions(written=tuple(written), backups=tuple(copies), refused=refused)


def _change(record: ImageRecord, caption: str, roots: Sequence[Path], ours: str) -> CaptionChange:
    source = _source(record.source)
    place = _place(record)
    if source is None or place is None:
        raise _RefusedError(_why_no_file(record))
    _check_place(place, roots)
    before = _content(source.root, place)
    origin = record.caption_origin
    known = ours or (origin.content_hash if origin else "")
    if known and before is None:
        raise _RefusedError(f"its caption file, {place.name}, is gone since the pictures were shown")
    if before is not None and bytes_hash(before) != known:
        made = "has changed" if known else "was made"
        raise _RefusedError(f"its caption file, {place.name}, {made} since the pictures were shown")
    return CaptionChange(record.name, place, source.root, before, _encoded(caption, before))


def _source(source: ImageSource) -> FileSource | None:
    """The file of a picture; ``None`` if it isn't one of its own."""
    while isinstance(source, RenamedSource):
        source = source.source
    return source if isinstance(source, FileSource) else None


def _place(record: ImageRecord) -> Path | None:
    """The caption file of a picture; ``None`` if it can't have one."""
    source, origin = _source(record.source), record.caption_origin
    if source is None or (origin and not origin.content_hash):
        return None
    return source.root / (origin.place if origin else PurePosixPath(source.name).with_suffix(NEW_FILE))


def _why_no_file(record: ImageRecord) -> str:
    source = record.source
    while isinstance(source, RenamedSource):
        source = source.source
    if isinstance(source, ZipSource):
        return f"it is in the archive {source.archive.name}"
    if record.caption_origin and isinstance(source, FileSource):
        return f"its caption isn't in a text file of its own: it comes from {record.caption_origin.place}"
    return "it is no file on disk"


def _check_place(place: Path, roots: Sequence[Path]) -> None:
    """Refuse what lies elsewhere, also by way of links, and what may not be changed."""
    inside = place.parent.resolve()
    if not any(inside.is_relative_to(root.resolve()) for root in roots):
        raise _RefusedError(f"{inside} is outside of the folders for data sets")
    if place.is_symlink():
        raise _RefusedError(f"its caption file, {place.name}, is a link")
    with contextlib.suppress(OSError):
        if not place.stat().st_mode & stat.S_IWUSR or not os.access(place, os.W_OK):
            raise _RefusedError(f"its caption file, {place.name}, is read-only")


def _content(root: Path, place: Path) -> bytes | None:
    """What a caption file holds; ``None`` if there is none."""
    if not os.path.lexists(place):
        return None
    try:
        return read_file(root, place.relative_to(root).as_posix(), limits.MAX_CAPTION_BYTES)
    except DatasetError as error:
        raise _RefusedError(error.got) from error


def _encoded(caption: str, before: bytes | None) -> bytes:
    """A caption as UTF-8, with a line end behind it if the file had one."""
    text = caption.strip()
    if not is_unicode(text) or "\0" in text:
        raise _RefusedError("the caption isn't text that can be stored")
    ended = before is not None and before.rstrip(b"\0").endswith(b"\n")
    data = (text + "\n" * (bool(text) and ended)).encode()
    if len(text) > limits.MAX_CHARACTERS or len(data) > limits.MAX_CAPTION_BYTES:
        raise _RefusedError(f"the caption is longer than {limits.MAX_CHARACTERS:,} characters")
    return data


def _same(change: CaptionChange) -> bool:
    assert change.before is not None
    try:
        return decode_text(change.before, change.path.name).strip() == change.after.decode().strip()
    except DatasetError:
        return False


def _copied(change: CaptionChange, backups: Path) -> Path:
    """A copy of a file that is about to be replaced, on disk when this returns."""
    folder = backups / f"{change.root.name}-{bytes_hash(str(change.root).encode())[:6]}"
    with adding(folder / change.path.relative_to(change.root)) as draft:
        draft.temporary.write_bytes(change.before or b"")
    return draft.path


def _write(change: CaptionChange) -> None:
    """Replace the file, unless it has become another one since the look at it."""
    if _content(change.root, change.path) != change.before:
        raise _RefusedError(f"its caption file, {change.path.name}, has changed just now")
    with _keeping_mode(change.path):
        write_bytes(change.path, change.after)


@contextlib.contextmanager
def _keeping_mode(path: Path) -> Iterator[None]:
    mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else None
    yield
    if mode is not None:
        with contextlib.suppress(OSError):
            path.chmod(mode)

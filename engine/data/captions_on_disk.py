"""Captions as people store them: a text or JSON file beside each picture, or tables of all captions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import NamedTuple

from ..core.encodings import decoded
from ..core.errors import DatasetError
from ..core.hashing import bytes_hash
from . import limits
from .caption_tables import CAPTIONS, CaptionEntry, Columns, NoCaptionsError, parse_table, parsed_json, text_of
from .dataset import CaptionOrigin, ImageRecord, Skipped
from .listing import Listing, is_metadata
from .names import canonical, stem
from .trees import FileTree


def read_captions(
    tree: FileTree,
    listing: Listing,
    readable: Collection[str],
    columns: Columns = CAPTIONS,
    also_called: Mapping[str, str] = MappingProxyType({}),
) -> tuple[dict[str, CaptionEntry], list[Skipped]]:
    """The captions by picture name, also blank ones, and everything that was skipped.

    A text file beside the picture counts first, in the order of ``listing.CAPTION_EXTENSIONS``, then JSON beside it,
    then ``metadata.jsonl`` and ``metadata.csv``, then other tables. An entry that differs from the caption used, or
    names no picture, is skipped and reported.

    Args:
        tree: the files.
        listing: the files by kind.
        readable: the pictures that can be read; captions of others are skipped.
        columns: of tables.
        also_called: other paths without endings by which text files may call a picture -> the picture.

    Raises:
        DatasetError: files that aren't text or can't be parsed, all named at once.
    """
    reading = _Reading(tree, PictureNames(listing.pictures, also_called), columns)
    captions: dict[str, CaptionEntry] = {}
    blank: dict[str, CaptionEntry] = {}
    for entry in [*reading.texts(listing.captions), *reading.tables(listing.tables)]:
        names = reading.names.named(entry.picture)
        if not names:
            reading.skip(entry.origin, f"there is no picture {entry.picture}")
        for name in names:
            if name not in readable:
                reading.skip(entry.origin, f"its picture, {name}, can't be used")
            elif not entry.caption:
                blank.setdefault(name, entry)
            elif captions.setdefault(name, entry).caption != entry.caption:
                reading.skip(entry.origin, f"{name} already has another caption, which is used")
            elif entry.unused:
                reading.skip(f"{entry.origin}: {', '.join(entry.unused)}", "another column holds the caption")
    if reading.problems:
        raise DatasetError(
            f"{len(reading.problems)} caption or metadata files can't be used:\n  "
            + "\n  ".join(reading.problems[:20] + (["and more"] if len(reading.problems) > 20 else [])),
            expected="text in UTF-8; metadata lines with file_name and text",
            hint="save the files as UTF-8 in a text editor, and fix the lines named above.",
        )
    return {**blank, **captions}, reading.skipped


def with_entry(record: ImageRecord, entry: CaptionEntry | None) -> ImageRecord:
    """The record with the caption that was found for it, and where."""
    if entry is None:
        return record
    return replace(record, caption=entry.caption, caption_origin=CaptionOrigin(entry.origin, entry.content_hash))


class PictureNames:
    """Pictures by the paths that captions and tables call them by.

    Args:
        pictures: their paths.
        also_called: further paths without endings -> picture.
    """

    def __init__(self, pictures: Sequence[str], also_called: Mapping[str, str] = MappingProxyType({})) -> None:
        self._known: dict[str, list[str]] = defaultdict(list)
        self._folded: dict[str, list[str]] = defaultdict(list)
        self._last: dict[str, list[str]] = defaultdict(list)
        for name in pictures:
            for key in {canonical(name), stem(name)}:
                self._add(key, name)
        for key, name in also_called.items():
            self._add(canonical(key), name)

    def _add(self, key: str, name: str) -> None:
        self._known[key].append(name)
        self._folded[key.casefold()].append(name)
        self._last[PurePosixPath(key).name].append(name)

    def beside(self, text: str) -> bool:
        """Whether a file's path without its ending is that of a picture."""
        return stem(text).casefold() in self._folded

    def named(self, path: str) -> list[str]:
        """The pictures at a path; if it is of another machine, the one that has its end, if there is only one."""
        if found := self._known.get(path) or self._folded.get(path.casefold()):
            return found
        if not path.startswith("/") and ":" not in path:
            return []
        # sd-scripts and musubi-tuner write absolute paths of the machine where they ran.
        parts = path.split("/")
        for start in range(1, len(parts) - 1):
            if len(found := self._known.get("/".join(parts[start:]), [])) == 1:
                return found
        found = self._last.get(parts[-1], [])
        return found if len(found) == 1 else []


class _Text(NamedTuple):
    """A text, and the hash of the file that holds it."""

    text: str
    content_hash: str


class _Reading:
    """Reads caption files one by one, and gathers what can't be used."""

    def __init__(self, tree: FileTree, names: PictureNames, columns: Columns) -> None:
        self.problems: list[str] = []
        self.skipped: list[Skipped] = []
        self.names = names
        self._tree, self._columns = tree, columns
        self._bytes_left = limits.MAX_TEXT_BYTES

    def skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(name=name, reason=reason))

    def texts(self, names: Sequence[str]) -> Iterator[CaptionEntry]:
        """Captions from plain text files, called as their pictures with or without the pictures' endings."""
        for name in names:
            if not self.names.beside(name):
                self.skip(name, "no picture has its name")
            elif (found := self._read(name, limits.MAX_CAPTION_BYTES)) is not None:
                yield CaptionEntry(stem(name), found.text.strip() or None, name, content_hash=found.content_hash)

    def tables(self, names: Sequence[str]) -> Iterator[CaptionEntry]:
        """Captions from JSON beside pictures, and from tables."""
        beside = [name for name in names if name.lower().endswith(".json") and self.names.beside(name)]
        for name in beside:
            if (found := self._read(name, limits.MAX_TABLE_BYTES)) is not None:
                yield from self._sidecar(found.text, name)
        for name in names:
            if name not in beside and (found := self._read(name, limits.MAX_TABLE_BYTES)) is not None:
                yield from self._table(found.text, name)

    def _sidecar(self, text: str, name: str) -> Iterator[CaptionEntry]:
        try:
            value = parsed_json(text, name)
        except DatasetError as error:
            self.problems.append(error.got)
            return
        caption, unused = text_of(value, self._columns) if isinstance(value, dict) else (value, ())
        if isinstance(caption, str):
            yield CaptionEntry(stem(name), caption.strip() or None, name, unused)
        else:
            self.skip(name, f"its JSON has no text under {', '.join(self._columns.texts)}")

    def _table(self, text: str, name: str) -> Iterator[CaptionEntry]:
        try:
            entries = parse_table(text, name, self._columns)
            if not is_metadata(name) and not any(self.names.named(entry.picture) for entry in entries):
                raise NoCaptionsError(f"{name}: it names no picture of the data set")
        except DatasetError as error:
            if isinstance(error, NoCaptionsError) and not is_metadata(name):
                self.skip(name, f"it isn't a table of captions ({error.got.removeprefix(f'{name}: ')})")
            else:
                self.problems.append(error.got)
        else:
            if not entries:
                self.skip(name, "it is empty")
            yield from entries

    def _read(self, name: str, limit: int) -> _Text | None:
        """The text of a file, or ``None`` after noting why it can't be used."""
        try:
            data = self._tree.read(name, limit)
            text = decode_text(data, name)
        except DatasetError as error:
            self.problems.append(error.got)
            return None
        self._bytes_left -= len(data)
        if self._bytes_left < 0:
            raise DatasetError(
                f"The captions have more than {limits.MAX_TEXT_BYTES:,} bytes in all.",
                expected="captions of ordinary length",
                hint="shorten them, or split the data set.",
            )
        return _Text(text, bytes_hash(data))


def decode_text(data: bytes, name: str) -> str:
    """Decode UTF-8 with or without a byte-order mark, or UTF-16 with one. Line ends become ``\\n``.

    Raises:
        DatasetError: another encoding. Nothing is guessed: a wrongly decoded caption would be learned.
    """
    try:
        text = decoded(data)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{name}: it isn't UTF-8 text (byte {error.start + 1})") from error
    if "\0" in text:
        raise DatasetError(f"{name}: it isn't UTF-8 text (it contains zero bytes, as UTF-16 does)")
    return text.replace("\r\n", "\n")

"""Captions as people store them: a text file beside each picture, metadata.jsonl or metadata.csv."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..core.errors import DatasetError
from . import limits
from .dataset import Skipped
from .listing import Listing, canonical, is_unicode, stem
from .trees import FileTree

_CAPTION_COLUMNS = ("text", "caption")


@dataclass(frozen=True)
class CaptionEntry:
    """One caption found on disk."""

    picture: str
    """Name of the picture, relative to the root, in canonical spelling."""
    caption: str | None
    """Stripped; ``None`` for a blank one."""
    origin: str
    """The file, and the line if it has several, for messages."""


def read_captions(tree: FileTree, listing: Listing) -> tuple[dict[str, str], list[Skipped]]:
    """The captions by picture name, and the entries that were skipped.

    A text file beside the picture takes precedence over ``metadata.jsonl``, and that over ``metadata.csv``. An entry
    that differs from the caption used, or names no picture, is skipped and reported.

    Raises:
        DatasetError: files that aren't UTF-8 or can't be parsed, all named at once.
    """
    by_canonical = {canonical(name): name for name in listing.pictures}
    captions: dict[str, str] = {}
    skipped: list[Skipped] = []
    for entry in _all_entries(tree, listing):
        name = by_canonical.get(entry.picture)
        if name is None:
            skipped.append(Skipped(name=entry.origin, reason=f"there is no picture {entry.picture}"))
        elif entry.caption and captions.setdefault(name, entry.caption) != entry.caption:
            skipped.append(Skipped(name=entry.origin, reason=f"{name} already has another caption, which is used"))
    return captions, skipped


def _all_entries(tree: FileTree, listing: Listing) -> list[CaptionEntry]:
    pictures: dict[str, list[str]] = {}
    for name in listing.pictures:
        pictures.setdefault(stem(name), []).append(canonical(name))
    entries: list[CaptionEntry] = []
    problems: list[str] = []
    for name in (*listing.captions, *listing.metadata):
        try:
            text = decode_text(tree.read(name, limits.MAX_TEXT_BYTES), name)
            if name in listing.metadata:
                entries += parse_csv(text, name) if name.lower().endswith(".csv") else parse_jsonl(text, name)
            else:
                beside = pictures.get(stem(name), [f"{stem(name)}.*"])
                entries += [CaptionEntry(picture, text.strip() or None, name) for picture in beside]
        except DatasetError as error:
            problems.append(error.got)
    if problems:
        raise DatasetError(
            f"{len(problems)} caption or metadata files can't be used:\n  " + "\n  ".join(problems),
            expected="text in UTF-8; metadata lines with file_name and text",
            hint="save the files as UTF-8 in a text editor, and fix the lines named above.",
        )
    return entries


def decode_text(data: bytes, name: str) -> str:
    """Decode UTF-8, with or without a byte-order mark.

    Raises:
        DatasetError: another encoding. Nothing is guessed: a wrongly decoded caption would be learned.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{name}: it isn't UTF-8 text (byte {error.start + 1})") from error
    if "\0" in text:
        raise DatasetError(f"{name}: it isn't UTF-8 text (it contains zero bytes, as UTF-16 does)")
    return text


def parse_jsonl(text: str, name: str) -> list[CaptionEntry]:
    """Parse one JSON object per line, with ``file_name`` (relative to the metadata file) and ``text`` or ``caption``.

    Raises:
        DatasetError: lines that can't be used, all named.
    """

    def rows() -> Iterator[tuple[int, Any]]:
        for number, line in enumerate(text.split("\n"), 1):
            if line.strip():
                try:
                    yield number, json.loads(line)
                except (ValueError, RecursionError) as error:
                    yield number, f"not JSON ({error})"

    return _entries(rows(), name)


def parse_csv(text: str, name: str) -> list[CaptionEntry]:
    """Parse comma-separated values with a header: ``file_name`` and ``text`` or ``caption``.

    Raises:
        DatasetError: the columns are missing, or lines can't be used, all named.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = set(reader.fieldnames or ())
    except csv.Error as error:
        raise DatasetError(f"{name}: its first line is not CSV ({error})") from error
    if "file_name" not in columns or not columns & {*_CAPTION_COLUMNS}:
        raise DatasetError(f"{name}: its first line lacks the columns file_name and text, separated by commas")

    def rows() -> Iterator[tuple[int, Any]]:
        try:
            for row in reader:
                surplus = None in row  # an unquoted comma would silently cut the caption short
                yield (
                    reader.line_num,
                    "more fields than columns; quote captions that contain commas" if surplus else row,
                )
        except csv.Error as error:
            yield reader.line_num, f"not CSV ({error})"

    return _entries(rows(), name)


def _entries(rows: Iterator[tuple[int, Any]], name: str) -> list[CaptionEntry]:
    """Entries from (line number, row) pairs; a row that is a string says what is wrong with its line."""
    entries: list[CaptionEntry] = []
    problems: list[str] = []
    for number, row in rows:
        if isinstance(row, str):
            problems.append(f"line {number}: {row}")
        elif not isinstance(row, dict) or not isinstance(row.get("file_name"), str):
            problems.append(f"line {number}: no file_name")
        else:
            caption = next((row[column] for column in _CAPTION_COLUMNS if row.get(column)), "")
            if not isinstance(caption, str) or not is_unicode(caption + row["file_name"]):
                problems.append(f"line {number}: its caption or file name isn't text")
                continue
            path = posixpath.join(posixpath.dirname(name), row["file_name"].strip().replace("\\", "/"))
            picture = canonical(posixpath.normpath(path))
            entries.append(CaptionEntry(picture, caption.strip() or None, f"{name}, line {number}"))
    if problems:
        raise DatasetError(f"{name}: " + "; ".join(problems))
    return entries

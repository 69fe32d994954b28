"""Captions as people store them: a text file beside each picture, metadata.jsonl, metadata.csv."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..core.errors import DatasetError
from . import limits
from .dataset import Skipped
from .listing import Listing, canonical, is_unicode, stem
from .trees import FileTree

_CAPTION_COLUMNS = ("text", "caption")


@dataclass(frozen=True)
class CaptionEntry:
    """One caption found on the disk."""

    picture: str
    """Name of the picture that it is for, relative to the root, in canonical spelling."""
    caption: str | None
    """Stripped; ``None`` for a blank one."""
    origin: str
    """File, and line where there are several, for messages."""


def read_captions(tree: FileTree, listing: Listing) -> tuple[dict[str, str], list[Skipped]]:
    """The caption of each picture that has one, by the picture's name, and what was left out.

    A text file beside the picture comes before ``metadata.jsonl``, and that before ``metadata.csv``; what differs
    from the caption that counts is told, and so are captions for pictures that don't exist.

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
            skipped.append(Skipped(name=entry.origin, reason=f"{name} has another caption already, which counts"))
    return captions, skipped


def _all_entries(tree: FileTree, listing: Listing) -> list[CaptionEntry]:
    beside = partial(_beside, by_stem=_pictures_by_stem(listing))
    parsers: list[tuple[str, Callable[[str, str], list[CaptionEntry]]]] = [(name, beside) for name in listing.captions]
    parsers += [(name, parse_csv if name.lower().endswith(".csv") else parse_jsonl) for name in listing.metadata]
    entries: list[CaptionEntry] = []
    problems: list[str] = []
    for name, parse in parsers:
        try:
            entries += parse(decode_text(tree.read(name, limits.MAX_TEXT_BYTES), name), name)
        except DatasetError as error:
            problems.append(error.got)
    if problems:
        raise DatasetError(
            f"{len(problems)} caption or metadata files can't be used:\n  " + "\n  ".join(problems),
            expected="text in UTF-8; metadata lines with file_name and text",
            hint="save the files again as UTF-8 in a text editor, and mend the lines named above.",
        )
    return entries


def _pictures_by_stem(listing: Listing) -> dict[str, list[str]]:
    pictures: dict[str, list[str]] = {}
    for name in listing.pictures:
        pictures.setdefault(stem(name), []).append(canonical(name))
    return pictures


def _beside(text: str, name: str, by_stem: dict[str, list[str]]) -> list[CaptionEntry]:
    """The same caption for each picture of the file's stem; one for no picture where there is none."""
    pictures = by_stem.get(stem(name), [f"{stem(name)}.*"])
    return [CaptionEntry(picture, text.strip() or None, name) for picture in pictures]


def decode_text(data: bytes, name: str) -> str:
    """UTF-8, with or without a byte-order mark, to text.

    Raises:
        DatasetError: another encoding. A caption decoded wrongly would be learned as it is, so nothing is guessed.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"{name}: it isn't UTF-8 text (byte {error.start + 1})") from error
    if "\0" in text:
        raise DatasetError(f"{name}: it isn't UTF-8 text (it holds zero bytes, as UTF-16 does)")
    return text


def parse_jsonl(text: str, name: str) -> list[CaptionEntry]:
    """One JSON object a line, with ``file_name`` (relative to the metadata file) and ``text`` or ``caption``.

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
    """A table separated by commas, whose first line names the columns: ``file_name`` and ``text`` or ``caption``.

    Raises:
        DatasetError: the columns are missing, or lines can't be used, all named.
    """
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        columns = set(reader.fieldnames or ())
    except csv.Error as error:
        raise DatasetError(f"{name}: its first line is not CSV ({error})") from error
    if "file_name" not in columns or not columns & {*_CAPTION_COLUMNS}:
        raise DatasetError(f"{name}: its first line names no columns file_name and text, separated by commas")

    def rows() -> Iterator[tuple[int, Any]]:
        try:
            for row in reader:
                surplus = None in row  # an unquoted comma would cut the caption off without a word
                yield reader.line_num, "more fields than columns; quote captions with commas" if surplus else row
        except csv.Error as error:
            yield reader.line_num, f"not CSV ({error})"

    return _entries(rows(), name)


def _entries(rows: Iterator[tuple[int, Any]], name: str) -> list[CaptionEntry]:
    """Entries from (line, row) pairs; a row that is text says what is wrong with its line."""
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

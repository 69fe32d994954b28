"""Tables with the captions of several pictures: JSON lines, comma- or tab-separated values, and JSON."""

from __future__ import annotations

import csv
import io
import json
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ..core.errors import DatasetError
from ..core.words import first_of
from . import limits
from .names import canonical, is_unicode

FILE_COLUMNS = ("file_name", "filename", "file", "image", "image_file", "image_path", "img", "img_path", "path", "name")
TEXT_COLUMNS = ("text", "caption", "captions", "prompt", "description", "tags", "tag_string")
"""Where captions stand; of several, the first that isn't blank is used."""

_MAX_PROBLEMS = 20
_IMAGEFOLDER = "_file_name"
"""Ending of columns that Hugging Face's imagefolder reads as pictures."""


@dataclass(frozen=True)
class Columns:
    """Names of columns, in lower case; of several with a value, the first counts."""

    files: tuple[str, ...]
    texts: tuple[str, ...]
    references: tuple[str, ...] = ()
    """Of pictures before editing."""


CAPTIONS = Columns(FILE_COLUMNS, TEXT_COLUMNS)
PAIRS = Columns(
    files=("edited_image", "target_image", "output_image", "after_image", "end_image", "target", *FILE_COLUMNS),
    texts=("edit_prompt", "instruction", "edit_instruction", "edit", *TEXT_COLUMNS),
    references=(
        "control_path", *(f"control_path_{number}" for number in range(10)), "control_image", "control",
        "source_image", "source_path", "source",
        "input_image", "input_path", "edit_image", "original_image", "original", "conditioning_image",
        "condition_image", "cond_image", "reference_image", "reference", "before_image", "before", "start_image",
        "start",
    ),
)  # fmt: skip
"""The names in the scripts of diffusers, in ai-toolkit, musubi-tuner and DiffSynth-Studio, and their relatives."""


@dataclass(frozen=True)
class CaptionEntry:
    """One caption found on disk."""

    picture: str
    """Path of the picture, relative to the root, in canonical spelling; in JSON it may lack its ending."""
    caption: str | None
    """Stripped; ``None`` for a blank one."""
    origin: str
    """The file, and the line or key if it has several, for messages."""
    unused: tuple[str, ...] = ()
    """Other columns with text of their own."""
    references: tuple[str, ...] = ()
    """Paths of pictures before editing, where columns of such were asked for."""
    content_hash: str = ""
    """Of a text file that holds nothing else."""


class NoCaptionsError(DatasetError):
    """A table that holds no captions, as it has no columns for files or texts."""


def parse_table(text: str, name: str, columns: Columns = CAPTIONS) -> list[CaptionEntry]:
    """Parse a table by its ending: ``.jsonl``, ``.csv``, ``.tsv`` or ``.json``. Paths are relative to the table.

    - JSON lines: an object per line, with a file's name and a text, such as ``file_name`` and ``text``.
    - Separated values: the first line names the columns. In ``.csv``, commas, or semicolons or tabs, as spreadsheets
      write where the comma is for decimals.
    - JSON: an object that maps file names, with or without endings, to texts or objects with texts, as sd-scripts
      writes; or a list of objects as in JSON lines.

    Raises:
        NoCaptionsError: it has no columns, or no keys, for files or texts.
        DatasetError: lines that can't be used, the first ones named.
    """
    if name.lower().endswith(".jsonl"):
        return _entries(_json_lines(text), name, columns)
    if name.lower().endswith((".csv", ".tsv")):
        return _entries(_separated(text, name, columns), name, columns)
    return _entries(_json_rows(parsed_json(text, name), name), name, columns, place="entry")


def parsed_json(text: str, name: str) -> Any:
    """Parse JSON.

    Raises:
        NoCaptionsError: it isn't JSON.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoCaptionsError(f"{name}: it isn't JSON ({error})") from error


def text_of(row: Mapping[str, Any], columns: Columns = CAPTIONS) -> tuple[Any, tuple[str, ...]]:
    """The caption in a row, and the other columns that have a text of their own; ``None`` if no column is known.

    A list of tags becomes a text with commas, as do Danbooru's tags between blanks.
    """
    lower = _by_lower_name(row)
    texts = {column: lower[column] for column in columns.texts if column in lower}
    tags, written = texts.get("tags"), texts.get("tag_string")
    if isinstance(tags, list) and all(isinstance(tag, str) for tag in tags):
        texts["tags"] = ", ".join(tags)
    if isinstance(written, str) and "," not in written:
        texts["tag_string"] = ", ".join(written.split())
    if not texts:
        return None, ()
    filled = [column for column, value in texts.items() if value not in (None, "")]
    used = texts[filled[0]] if filled else ""
    return used, tuple(column for column in filled[1:] if texts[column] != used)


def _by_lower_name(row: Mapping[str, Any]) -> dict[str, Any]:
    return {_column(key): value for key, value in row.items() if isinstance(key, str)}


def _column(name: str) -> str:
    """``File Name`` as ``file_name``."""
    return re.sub(r"[\s-]+", "_", name.strip().lower())


def _json_lines(text: str) -> Iterator[tuple[int, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (ValueError, RecursionError) as error:
                yield number, f"not JSON ({error})"


def _separated(text: str, name: str, wanted: Columns) -> Iterator[tuple[int, Any]]:
    """Rows of separated values.

    Raises:
        NoCaptionsError: the columns are missing.
    """
    first = "\t" if name.lower().endswith(".tsv") else ","
    try:
        readers = [_reader(text, delimiter) for delimiter in dict.fromkeys((first, ",", ";", "\t"))]
        columns = [{_column(column or "") for column in reader.fieldnames or ()} for reader in readers]
    except csv.Error as error:
        raise NoCaptionsError(f"{name}: its first line is not CSV ({error})") from error
    needed = (wanted.files, (*wanted.texts, *wanted.references))
    fitting = [all(_has(header, any_of) for any_of in needed) for header in columns]
    reader = readers[fitting.index(True)] if any(fitting) else None
    if reader is None:
        separated = "tabs" if first == "\t" else "commas"
        raise NoCaptionsError(
            f"{name}: its first line lacks the columns file_name and text, separated by {separated}; "
            f"it has {first_of(sorted(columns[0])) or 'none'}"
        )
    try:
        for row in reader:
            # An unquoted comma would silently cut the caption short.
            surplus = None in row
            yield reader.line_num, "more fields than columns; quote captions that contain commas" if surplus else row
    except csv.Error as error:
        yield reader.line_num, f"not CSV ({error})"


def _reader(text: str, delimiter: str) -> csv.DictReader[str]:
    return csv.DictReader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)


def _has(columns: Iterable[str], wanted: Collection[str]) -> bool:
    return any(column.removesuffix(_IMAGEFOLDER) in wanted for column in columns)


def _json_rows(value: Any, name: str) -> Iterator[tuple[int, Any]]:
    if isinstance(value, list | dict) and len(value) > limits.MAX_TABLE_ROWS:
        raise NoCaptionsError(f"{name}: it has more than {limits.MAX_TABLE_ROWS:,} rows")
    if isinstance(value, list):
        yield from enumerate(value, 1)
    elif isinstance(value, dict):
        for number, (key, texts) in enumerate(value.items(), 1):
            yield number, {"file_name": key} | (texts if isinstance(texts, dict) else {"text": texts})
    else:
        raise NoCaptionsError(f"{name}: it holds no captions")


def _entries(rows: Iterable[tuple[int, Any]], name: str, columns: Columns, place: str = "line") -> list[CaptionEntry]:
    """Entries from (number, row) pairs; a row that is a string says what is wrong with it."""
    entries: list[CaptionEntry] = []
    problems: list[str] = []
    read, texts = 0, False
    for number, row in islice(rows, limits.MAX_TABLE_ROWS + 1):
        read += 1
        entry = row if isinstance(row, str) else _entry(row, name, columns, f"{place} {number}")
        texts = texts or (isinstance(row, dict) and text_of(row, columns)[0] is not None)
        if isinstance(entry, CaptionEntry):
            entries.append(entry)
        elif len(problems) < _MAX_PROBLEMS:
            problems.append(f"{place} {number}: {entry}")
        else:
            problems.append("and more")
            break
    if read > limits.MAX_TABLE_ROWS:
        problems = [f"it has more than {limits.MAX_TABLE_ROWS:,} rows"]
    if entries and not texts and not problems and not any(entry.references for entry in entries):
        raise NoCaptionsError(f"{name}: no {place} has a text; known are {', '.join(columns.texts)}")
    if problems:
        raise (DatasetError if entries else NoCaptionsError)(f"{name}: " + "; ".join(problems))
    return entries


def _entry(row: Any, name: str, columns: Columns, place: str) -> CaptionEntry | str:
    """One row as an entry, or what is wrong with it."""
    if not isinstance(row, dict):
        return "no file_name"
    lower = _by_lower_name(row)
    file = next(_paths(lower, columns.files), None)
    if file is None:
        return "no file_name"
    text, unused = text_of(lower, columns)
    references = list(_paths(lower, columns.references))
    if not isinstance(text or "", str) or not is_unicode((text or "") + file + "".join(references)):
        return "its caption or file name isn't text"
    return CaptionEntry(
        _beside(name, file),
        (text or "").strip() or None,
        f"{name}, {place}",
        unused,
        tuple(_beside(name, reference) for reference in dict.fromkeys(references)),
    )


def _paths(row: Mapping[str, Any], columns: Iterable[str]) -> Iterator[str]:
    """The texts in these columns, and in lists in them."""
    for column in columns:
        for value in (row.get(column), row.get(column + _IMAGEFOLDER)):
            yield from (path for path in (value if isinstance(value, list) else [value]) if isinstance(path, str))


def _beside(table: str, path: str) -> str:
    """A path that is relative to a table, in canonical spelling."""
    return canonical(posixpath.normpath(posixpath.join(posixpath.dirname(table), path.strip().replace("\\", "/"))))

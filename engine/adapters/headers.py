"""The header of a safetensors file, checked before anything else is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from ..core.errors import AdapterError

MOST_HEADER = 32 * 2**20
"""Bytes. Those of adapters have some 100 kB, and pictures or graphs in their metadata a few MB."""
MOST_TENSORS = 8 * 2**30
"""Bytes of all tensors. The largest adapters of the largest models have some 5 GB."""


_OTHERS = {
    b"PK\x03\x04": "a zip archive or a pickle (.pt, .ckpt, .bin), which may run any code",
    b"\x80\x02": "a pickle, which may run any code",
    b"\x80\x04": "a pickle, which may run any code",
    b"<": "a web page, as where a download asks for a login",
    b"version ": "a pointer of Git LFS, whose file wasn't downloaded",
    b"GGUF": "a GGUF file",
    b"{": "JSON alone",
}
"""How files begin that people take for adapters -> what they are. Of a header's length only 640 and 1152 begin
like a pickle, with zeros behind."""


_METADATA = re.compile(r'\s*\{\s*"__metadata__"\s*:\s*')
_AFTER = re.compile(r"\s*,(?=\s*\")")
"""What follows the metadata if there are tensors."""


class Header(NamedTuple):
    """What a safetensors file says about itself."""

    shapes: Mapping[str, tuple[int, ...]]
    """By name of each tensor."""
    dtypes: Mapping[str, str]
    """As safetensors calls them, such as ``F16``."""
    spans: Mapping[str, tuple[int, int]]
    """Where the values of each tensor begin and end, in bytes after the header. Whether they are in the file, and as
    many as the shape has, is seen on reading them."""
    metadata: Mapping[str, str]
    body: int
    """Bytes before the values of the first tensor, from the beginning of the file."""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.shapes)


class RawHeader(NamedTuple):
    """A header whose tensors aren't parsed, which takes most of the time of reading one."""

    metadata: Mapping[str, str]
    tensors: str
    """JSON: an object with an entry for each tensor; files of one program and base model have equal ones."""
    body: int
    """As of :class:`Header`."""


def read_header(path: Path, *, most: int = MOST_HEADER) -> Header:
    """Names, shapes and metadata, from the header alone.

    Args:
        path: of the file.
        most: bytes of the header that are read.

    Raises:
        AdapterError: there is no such file, its header is damaged or larger than ``most``, a name occurs twice, or its
            tensors are larger than :data:`MOST_TENSORS`.
    """
    raw = read_raw_header(path, most=most)
    return Header(*parsed_tensors(raw, path), raw.metadata, raw.body)


def read_raw_header(path: Path, *, most: int = MOST_HEADER) -> RawHeader:
    """As :func:`read_header`, which parses what this leaves; see there."""
    if not path.is_file():
        raise missing(path)
    try:
        text, body = _text(path, most)
        metadata, tensors = _apart(text)
        if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
            raise ValueError("its metadata aren't texts by name")
    except (ValueError, OSError, RecursionError) as error:
        raise unreadable(path, error) from error
    return RawHeader(metadata, tensors, body)


def parsed_tensors(
    header: RawHeader, path: Path
) -> tuple[dict[str, tuple[int, ...]], dict[str, str], dict[str, tuple[int, int]]]:
    """Shapes, dtypes and spans by name.

    Raises:
        AdapterError: they are damaged, or a name occurs twice.
    """
    try:
        entries = _entries(header.tensors)
        if header.tensors.count('"data_offsets"') != len(entries):
            _entries(header.tensors, once=True)  # which takes twice as long
        return _described(entries)
    except (ValueError, RecursionError) as error:
        raise unreadable(path, error) from error


def missing(path: Path) -> AdapterError:
    """The error for a path where no adapter is."""
    return AdapterError(
        f"No adapter at {path}.",
        expected="a .safetensors file, or a folder of peft's",
        hint="check the name and the folder.",
    )


def unreadable(path: Path, reason: object) -> AdapterError:
    """The error for a file that isn't a whole safetensors file."""
    return AdapterError(
        f"{path} can't be read as an adapter: {reason}.",
        expected="a complete safetensors file",
        hint="it may be truncated or of another format; copy or download it again.",
    )


def _described(
    entries: Mapping[str, Any],
) -> tuple[dict[str, tuple[int, ...]], dict[str, str], dict[str, tuple[int, int]]]:
    """The shapes, dtypes and spans of tensors."""
    try:
        shapes = {name: tuple(entry["shape"]) for name, entry in entries.items()}
        dtypes = {name: str(entry["dtype"]) for name, entry in entries.items()}
        spans = {name: tuple(entry["data_offsets"]) for name, entry in entries.items()}
    except (TypeError, KeyError) as error:
        raise ValueError("its header doesn't describe tensors") from error
    numbers = chain.from_iterable(chain(shapes.values(), spans.values()))
    if not ({*map(type, numbers)} <= {int} and {*map(len, spans.values())} <= {2}):
        raise ValueError("its header doesn't describe tensors by whole numbers")
    return shapes, dtypes, spans


def _text(path: Path, most: int) -> tuple[str, int]:
    """The header, and where it ends."""
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(8)
        other = next((what for mark, what in _OTHERS.items() if begin.startswith(mark)), "")
        if other and begin[2:] != bytes(6):
            raise ValueError(f"it is {other}")
        length = int.from_bytes(begin, "little")
        if length > size - 8:
            raise ValueError(f"its header should have {length} bytes, but the whole file has {size}")
        if length > most:
            raise ValueError(f"its header has {length} bytes, more than the {most} of any adapter")
        if size - length > MOST_TENSORS:
            raise ValueError(f"it has {size / 2**30:.1f} GiB, more than any adapter")
        header = file.read(length)
    try:
        return header.decode("utf-8"), 8 + length
    except UnicodeDecodeError as error:
        raise ValueError("its header isn't UTF-8") from error


def _apart(text: str) -> tuple[Any, str]:
    """The metadata, and the JSON of the tensors: programs write the metadata first."""
    if begin := _METADATA.match(text):
        metadata, end = _ended(text, begin.end())
        if after := _AFTER.match(text, end):
            return metadata or {}, "{" + text[after.end() :]
    entries = _entries(text)
    if "__metadata__" not in entries:
        return {}, text
    _entries(text, once=True)
    metadata = entries.pop("__metadata__")
    return metadata or {}, json.dumps(entries)


def _ended(text: str, begin: int) -> tuple[Any, int]:
    """The JSON value that begins there, and where it ends."""
    try:
        return json.JSONDecoder().raw_decode(text, begin)
    except json.JSONDecodeError as error:
        raise ValueError(f"its header isn't JSON ({error.msg})") from error


def _entries(text: str, *, once: bool = False) -> dict[str, Any]:
    """A JSON object; ``once``: whether it is refused if a name occurs twice."""
    try:
        entries = json.loads(text, object_pairs_hook=_each_once if once else None)
    except json.JSONDecodeError as error:
        raise ValueError(f"its header isn't JSON ({error.msg})") from error
    if not isinstance(entries, dict):
        raise ValueError("its header isn't a JSON object")
    return entries


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"{twice[:200]!r} is in its header twice")
    return found

"""Finds the workflow that a picture or an adapter file carries, as ComfyUI and those who save for it write it."""

from __future__ import annotations

import contextlib
import json
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..engine.data.file_types import file_type
from .json_text import MOST_BYTES

PARTS = ("prompt", "workflow")
"""Names of the graph in API format and of the canvas."""
_MOST_PIXELS = 2**26
_EXIF = 0x8769
"""Tag of the part of EXIF that has the user comment."""
_CHARSETS = {b"UNICODE\0": "utf-16", b"ASCII\0\0\0": "utf-8", b"\0" * 8: "utf-8"}
_NAMED = re.compile(r"\s*(prompt|workflow)\s*:\s*(?=[{\[])", re.IGNORECASE)


def is_picture(head: bytes) -> bool:
    """Whether a file that begins with these bytes is a picture of a format that carries workflows."""
    return file_type(head) in ("PNG", "JPEG", "WebP", "AVIF")


def is_safetensors(head: bytes) -> bool:
    """Whether a file that begins with these bytes is in safetensors format: a length, and a JSON object."""
    return len(head) >= 9 and head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") < 2**40


def picture_texts(path: Path) -> dict[str, str]:
    """The ``prompt`` and ``workflow`` of a picture: texts of a PNG, or EXIF tags of a WebP, JPEG or AVIF.

    Raises:
        ValueError: the picture is damaged, or carries neither.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings(), Image.open(path) as picture:
            warnings.simplefilter("ignore")
            found = dict(_png_texts(picture)) | dict(_exif_texts(picture))
    except (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"it is a picture that can't be read ({error})") from error
    return _not_empty(found, "picture")


def safetensors_texts(path: Path) -> dict[str, str]:
    """The ``prompt`` and ``workflow`` in the metadata of an adapter file.

    Raises:
        ValueError: the file is damaged, or carries neither.
        OSError: it can't be read.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > MOST_BYTES:
            raise ValueError(f"its header has {length} bytes")
        header = file.read(length)
    try:
        metadata = json.loads(header).get("__metadata__") or {}
    except (ValueError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is a safetensors file with a damaged header ({error})") from error
    texts = {name: metadata[name] for name in PARTS if isinstance(metadata, dict) and metadata.get(name)}
    return _not_empty({name: text for name, text in texts.items() if isinstance(text, str)}, "adapter file")


def _not_empty(found: dict[str, str], what: str) -> dict[str, str]:
    if not found:
        raise ValueError(f"this {what} carries no workflow; it was saved without, or by a program that removes it")
    return found


def _png_texts(picture: Any) -> Iterator[tuple[str, str]]:
    texts = picture.info
    if picture.format == "PNG" and not set(PARTS) & set(texts) and picture.width * picture.height <= _MOST_PIXELS:
        texts = picture.text  # decodes the pixels, to get at texts behind them
    for name, text in texts.items():
        if isinstance(name, str) and name.lower() in PARTS and isinstance(text, str):
            yield name.lower(), _as_utf8(text)


def _as_utf8(text: str) -> str:
    """A text that Pillow took for Latin-1, as the format has it, though the writer meant UTF-8."""
    with contextlib.suppress(UnicodeError):
        return text.encode("latin-1").decode("utf-8")
    return text


def _exif_texts(picture: Any) -> Iterator[tuple[str, str]]:
    """Texts such as ``workflow:{…}`` in any tag, and JSON objects in comments."""
    exif = picture.getexif()
    for value in [*exif.values(), *exif.get_ifd(_EXIF).values()]:
        text = _exif_text(value)
        if named := _NAMED.match(text):
            yield named[1].lower(), text[named.end() :]
        elif text.lstrip().startswith("{"):
            yield from _parts_of_json(text)


def _parts_of_json(text: str) -> Iterator[tuple[str, str]]:
    with contextlib.suppress(ValueError, RecursionError):
        entry = json.loads(text)
        for name in PARTS:
            part = entry.get(name)
            if part:
                yield name, part if isinstance(part, str) else json.dumps(part)


def _exif_text(value: Any) -> str:
    if isinstance(value, bytes):
        charset = _CHARSETS.get(value[:8])
        value = value[8:].decode(charset, "replace") if charset else value.decode("utf-8", "replace")
    return _as_utf8(value).strip("\0") if isinstance(value, str) else ""

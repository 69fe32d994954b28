"""Reads JSON as programs and editors write it, within bounds: in any Unicode encoding, with or without a mark."""

from __future__ import annotations

import codecs
import json
from typing import Any

MOST_BYTES = 20 * 2**20
"""Of a workflow. Python needs up to thirty times as much memory for it; large workflows have about 2 MB."""
DEEPEST = 200
"""Levels of lists and objects; what a workflow is written into can't hold much more."""
LONGEST_NUMBER = 400
"""Digits."""
_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
"""Those of UTF-32 first: they begin like those of UTF-16."""


def decode(data: bytes) -> str:
    """The text of a file, by its byte-order mark or by where the zeros of its first characters are.

    Raises:
        ValueError: it isn't text in a Unicode encoding.
    """
    marked = [encoding for mark, encoding in _MARKS.items() if data.startswith(mark)]
    zeros = {(False, True): "utf-16-le", (True, False): "utf-16-be"}
    encoding = marked[0] if marked else zeros.get((data[:1] == b"\0", data[1:2] == b"\0"), "utf-8")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError(f"it isn't text in {encoding.upper().removesuffix('-SIG')}") from None


def parse(data: bytes | str) -> tuple[Any, bool]:
    """(the JSON value; whether broken characters, such as halves of an emoji, were replaced by ``\\ufffd``).

    Raises:
        ValueError: it isn't JSON, or is larger, deeper or more ambiguous than a workflow may be; says what is wrong.
    """
    if len(data) > MOST_BYTES:
        raise ValueError(f"it is larger than {MOST_BYTES // 2**20} MB")
    text = decode(data) if isinstance(data, bytes) else data
    try:
        value = json.loads(text.lstrip("\ufeff").rstrip("\0"), object_pairs_hook=_object, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise ValueError(f"it isn't JSON ({error})" if text.strip() else "it is empty") from None
    except RecursionError:
        raise ValueError(f"it is nested more than {DEEPEST} levels deep") from None
    return _mended(value)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name[:60]!r} stands twice in one object")
        found[name] = value
    return found


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_NUMBER:
        raise ValueError(f"one of its numbers has {len(digits)} digits, more than {LONGEST_NUMBER}")
    return int(digits)


def _mended(value: Any) -> tuple[Any, bool]:
    """A JSON value without broken characters, changed in place; see :func:`parse`."""
    box = [value]
    waiting: list[tuple[Any, int]] = [(box, 0)]
    is_broken = False
    while waiting:
        holder, depth = waiting.pop()
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")
        if isinstance(holder, dict):
            for name in [name for name in holder if not _is_whole(name)]:
                holder[_whole(name)] = holder.pop(name)
                is_broken = True
        for key, part in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            if isinstance(part, (dict, list)):
                waiting.append((part, depth + 1))
            elif isinstance(part, str) and not _is_whole(part):
                holder[key] = _whole(part)
                is_broken = True
    return box[0], is_broken


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

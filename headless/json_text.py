"""Reads JSON as programs and editors write it, within bounds: in any Unicode encoding, with or without a mark."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from typing import Any

from ..engine.data.names import is_unicode

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
    is_broken = False
    way = [_containers(box)]  # iterators, as a list of all that waits could be larger than the value itself
    while way:
        holder = next(way[-1], None)
        if holder is None:
            way.pop()
            continue
        if len(way) > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")
        is_broken |= _mend(holder)
        way.append(_containers(holder))
    return box[0], is_broken | _mend(box)


def _containers(holder: list[Any] | dict[str, Any]) -> Iterator[list[Any] | dict[str, Any]]:
    """The lists and objects in a list or object that hold something."""
    parts = holder.values() if isinstance(holder, dict) else holder
    return (part for part in parts if isinstance(part, (dict, list)) and part)


def _mend(holder: list[Any] | dict[str, Any]) -> bool:
    """Replace the broken characters in the texts of a list or object; returns whether there were any."""
    if isinstance(holder, list):
        broken = [(place, part) for place, part in enumerate(holder) if isinstance(part, str) and not is_unicode(part)]
        for place, part in broken:
            holder[place] = _whole(part)
        return bool(broken)
    parts = [part for pair in holder.items() for part in pair if isinstance(part, str)]
    if all(map(is_unicode, parts)):
        return False
    mended = {_whole(name): _whole(part) if isinstance(part, str) else part for name, part in holder.items()}
    holder.clear()
    holder.update(mended)
    return True


def _whole(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

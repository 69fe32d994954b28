"""Rows of other programs, pasted as text into a stack.

- Lines of tags, such as ``<lora:fox:0.8>``.
- JSON of ComfyUI's own *Load LoRA* rows, from a workflow in API format or their values alone:
  ``[{"lora_name": "fox.safetensors", "strength": 0.8, "enabled": true}]``, ``{"loras.0.lora_name": …}``.
- JSON of a LORA_STACK: ``[["fox.safetensors", 0.8, 0.6]]``; and of rgthree's Power Lora Loader:
  ``[{"on": true, "lora": "fox.safetensors", "strength": 0.8, "strengthTwo": null}]``.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from .lora_tags import read_tags
from .rows import LONGEST, MOST_ROWS, Row, parse_rows, unreadable, weight_of

_NOTHING = ("", "None", "none")
_NAME = ("lora_name", "lora", "adapter")
_WEIGHT = ("strength", "strength_model", "model_strength", "weight")
_TEXT = ("strength_clip", "clip_strength", "strengthTwo", "text_encoder_weight")
_STATE = ("enabled", "on", "active")
_KNOWN = (*_NAME, *_WEIGHT, *_TEXT, *_STATE)
_FLAT = re.compile(r"\w+\.(\d+)\.(\w+)")
_TAGS = re.compile(r"\s*(?:<[^<>\n]*>[\s,]*)+")


def read_rows(text: str) -> tuple[Row, ...]:
    """The rows of a stack's text, in its own form or in that of another program.

    Raises:
        ConfigError: with everything that can't be read.
    """
    if text.lstrip().startswith(("[", "{")):
        return _from_json(text)
    lines = text.splitlines()
    if any(map(_TAGS.fullmatch, lines)):
        rows, problems = [], []
        for number, line in enumerate(lines, 1):
            tags = read_tags(line[:LONGEST]) if _TAGS.fullmatch(line) else None
            rows += tags.rows if tags else parse_rows("\n" * (number - 1) + line)
            problems += [f"line {number}: {problem}" for problem in tags.problems] if tags else []
        if problems:
            raise unreadable(problems)
        return tuple(rows)
    return parse_rows(text)


def _from_json(text: str) -> tuple[Row, ...]:
    try:
        entries = list(_entries(json.loads(text)))
    except (ValueError, RecursionError) as error:
        raise unreadable([f"it begins as JSON, and can't be read as such ({error})"]) from None
    problems: list[str] = []
    if not entries or len(entries) > MOST_ROWS:
        problems.append(f"the JSON holds {len(entries)} rows of adapters, expected 1 to {MOST_ROWS}")
    rows = [row for number, entry in enumerate(entries[:MOST_ROWS], 1) if (row := _row(number, entry, problems))]
    if problems:
        raise unreadable(problems)
    return tuple(rows)


def _entries(found: Any) -> Iterator[Any]:
    """The rows in a value: its items, those of a list in it, or those that its flat names tell."""
    if isinstance(found, list):
        yield from found
    elif isinstance(found, dict):
        by_number: dict[int, dict[str, Any]] = defaultdict(dict)
        for key, value in found.items():
            if flat := _FLAT.fullmatch(key):
                by_number[int(flat[1])][flat[2]] = value
            elif isinstance(value, dict) and any(name in value for name in _NAME):
                yield value  # rgthree's, by the names of its widgets
            elif isinstance(value, dict) or (
                isinstance(value, list) and all(isinstance(v, (list, dict)) for v in value)
            ):
                yield from _entries(value)
        yield from (by_number[number] for number in sorted(by_number))


def _row(number: int, entry: Any, problems: list[str]) -> Row | None:
    """A row, ``None`` for one where no file is chosen."""
    if isinstance(entry, list):
        entry = dict(zip(("lora_name", "strength", "strength_clip"), entry, strict=False))
    if not isinstance(entry, Mapping) or not isinstance(_first(entry, _NAME), (str, type(None))):
        problems.append(f"row {number}: it names no adapter")
        return None
    name = str(_first(entry, _NAME) or "").strip()
    if name in _NOTHING:
        return None
    if unknown := [key for key in entry if key not in _KNOWN and entry[key] is not None]:
        problems.append(f"row {number}: {', '.join(map(str, unknown))} can't be taken over")
    weights = [_first(entry, names) for names in (_WEIGHT, _TEXT)]
    weight, text = (None if value is None else weight_of(str(value)) for value in weights)
    if (weight is None and weights[0] is not None) or (text is None and weights[1] is not None):
        problems.append(f"row {number}: {weights[0]!r} and {weights[1]!r} aren't weights")
    state = _first(entry, _STATE)
    share = 1.0 if weight is None else weight
    return Row(
        adapter=name, enabled=state is None or bool(state), weight=share,
        text_encoder_weight=share if text is None else text, line=number,
    )  # fmt: skip


def _first(entry: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    """The value of the first of these names that has one."""
    return next((entry[name] for name in names if entry.get(name) is not None), None)

"""Values out of other people's JSON, which may be anything."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

LONGEST = 2000
"""Characters that are kept of a text."""


def parsed(text: str | bytes) -> Any:
    """JSON; ``None`` where it isn't any, or too deep."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a JSON object, or parses as one; an empty one otherwise."""
    if isinstance(value, str):
        value = parsed(value)
    return value if isinstance(value, dict) else {}


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def text(value: Any) -> str:
    """A text or number as a text without lone surrogates; nothing for anything else, nor for Python's ``None``."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    found = str(value).encode("utf-8", "replace").decode().strip()
    return "" if found in ("None", "null", "[]", "{}") else found[:LONGEST]


def number(value: Any) -> float | None:
    """A finite number, also one that is written as a text."""
    try:
        found = float(text(value))
    except ValueError:
        return None
    return found if math.isfinite(found) else None

"""What servers say beside the data: why something failed, and how long to wait."""

from __future__ import annotations

import email.utils
import json
import time
from typing import Any


def until(date: str) -> float:
    """Seconds until an HTTP date."""
    return email.utils.parsedate_to_datetime(date).timestamp() - time.time()


def words_of(text: str) -> str:
    """What an error's body says to people: the ways in which APIs wrap it are taken off."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return "; ".join(_sentences(value)) or text


def _sentences(value: Any, depth: int = 0) -> list[str]:
    if isinstance(value, str):
        return [value] if value else []
    if depth > 3 or not isinstance(value, (dict, list)):
        return []
    if isinstance(value, list):
        return [said for part in value[:5] for said in _sentences(part, depth + 1)]
    if "msg" in value:  # pydantic's
        place = ".".join(map(str, value.get("loc", ())))
        return [f"{place}: {value['msg']}" if place else str(value["msg"])]
    if isinstance(problems := value.get("errors"), dict):  # problem details of RFC 9457
        return [f"{name}: {said}" for name, part in problems.items() for said in _sentences(part, depth + 1)]
    for name in ("detail", "error", "message", "title", "errors"):
        if said := _sentences(value.get(name), depth + 1):
            return said
    return []

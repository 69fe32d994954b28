"""Finds the workflow in what ComfyUI's programs wrap around it: requests, history entries, job descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .json_text import parse

DEEPEST = 8
"""Wrappers around a workflow; no program has more than four."""


class Found(NamedTuple):
    """A workflow in one format or in both."""

    prompt: dict[str, Any] | None = None
    """In API format."""
    canvas: dict[str, Any] | None = None
    """In UI format."""
    note: str = ""
    """Which of several was taken."""


def unwrap(data: Any, depth: int = 0) -> Found:
    """The workflow in a JSON value; both fields are ``None`` if there is none.

    These are seen through: ``{"prompt": …}`` and ``{"workflow": …}``, with objects or with JSON as text, the body of
    ``POST /prompt``, entries of ``/history`` and ``/queue`` (``[number, id, prompt, extra data, …]``), and a mapping of
    such entries, of which the last is taken.
    """
    if depth > DEEPEST:
        return Found()
    if isinstance(data, str):
        return unwrap(_json(data), depth + 1)
    if isinstance(data, list):
        return _entry(data, depth)
    if not isinstance(data, dict):
        return Found()
    if isinstance(data.get("nodes"), list):
        return Found(canvas=data)
    if is_prompt(data):
        return Found(prompt=data)
    found = _wrapped(data, depth)
    return found if found.prompt or found.canvas else _history(data, depth)


def is_prompt(data: Mapping[str, Any]) -> bool:
    """Whether an object is meant to be a graph in API format, if perhaps an incomplete one."""
    return any(isinstance(node, dict) and "class_type" in node for node in data.values())


def _wrapped(data: dict[str, Any], depth: int) -> Found:
    inner = [unwrap(data[name], depth + 1) for name in ("prompt", "workflow", "output") if name in data]
    extra = data.get("extra_data")
    png = extra.get("extra_pnginfo") if isinstance(extra, dict) else None
    inner += [unwrap(png, depth + 1)] if png else []
    return Found(
        next((found.prompt for found in inner if found.prompt), None),
        next((found.canvas for found in inner if found.canvas), None),
        next((found.note for found in inner if found.note), ""),
    )


def _entry(data: list[Any], depth: int) -> Found:
    """``[number, id, prompt, extra data, outputs]``, or a list of one workflow."""
    if len(data) >= 3 and isinstance(data[2], dict):
        extra = data[3] if len(data) > 3 else None
        return _wrapped({"prompt": data[2], "extra_data": extra}, depth)
    return unwrap(data[0], depth + 1) if len(data) == 1 else Found()


def _history(data: dict[str, Any], depth: int) -> Found:
    entries = {name: entry for name, entry in data.items() if isinstance(entry, dict) and "prompt" in entry}
    if not entries:
        return Found()
    last = max(entries, key=lambda name: _number(entries[name]["prompt"]))
    found = unwrap(entries[last], depth + 1)
    note = f"the file holds {len(entries)} runs; this is the last one, {last}" if len(entries) > 1 else found.note
    return found._replace(note=note)


def _number(prompt: Any) -> float:
    """The place of a history entry in the queue."""
    number = prompt[0] if isinstance(prompt, list) and prompt else 0
    return float(number) if isinstance(number, (int, float)) else 0.0


def _json(text: str) -> Any:
    try:
        value, _ = parse(text)
    except ValueError:
        return None
    return value

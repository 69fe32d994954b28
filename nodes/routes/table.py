"""What a route is: a function of what was asked, which knows no web server."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...engine.core.errors import WorkbenchError

PREFIX = "/lora_workbench/"
LARGEST_BODY = 2**20
"""Bytes of a request's JSON."""
MOST_AT_ONCE = 200
"""Records, cards or runs that one answer lists."""


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        query: the address's parameters; the first of each name.
        body: the JSON object of a POST request, otherwise empty.
    """

    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)

    def whole(self, name: str, default: int, most: int) -> int:
        """A whole number of the query, from 0 to ``most``; the default for what isn't one."""
        text = self.query.get(name, "")
        return min(int(text), most) if text.isascii() and text.isdecimal() and len(text) < 12 else default


@dataclass(frozen=True)
class Answer:
    """What is sent back."""

    content: bytes
    content_type: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """An address and what answers it. What changes state is a POST with JSON, which browsers don't send for other
    sites without asking; ComfyUI checks where it comes from."""

    method: Literal["GET", "POST"]
    path: str
    act: Callable[[Asked], Answer]

    def answer(self, asked: Asked) -> Answer:
        """As :attr:`act`, with errors that a user can fix as JSON."""
        try:
            return self.act(asked)
        except WorkbenchError as error:
            return refused(error)


def json_answer(value: Any, status: int = 200) -> Answer:
    """A value as JSON."""
    return Answer(json.dumps(value).encode(), status=status)


def missing(what: str) -> Answer:
    """That the server doesn't have what is asked for."""
    return json_answer({"error": {"message": what}}, status=404)


def refused(error: WorkbenchError, status: int = 400) -> Answer:
    """An error with what came, what was expected and what to do."""
    told = {"got": error.got, "expected": error.expected, "hint": error.hint, "message": str(error)}
    return json_answer({"error": told}, status)

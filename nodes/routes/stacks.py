"""What the editor of a stack asks: the adapters to choose from, and what rows are."""

from __future__ import annotations

from ..host import host
from .table import PREFIX, Answer, Asked, Route, json_answer


def adapters(asked: Asked) -> Answer:
    """The names of the adapters that rows can choose."""
    del asked
    return json_answer({"adapters": host().adapter_files()})


def rows(asked: Asked) -> Answer:
    """What the rows of a stack are; see ``engine/adapters/described_rows.py``. The request has ``rows``, the text."""
    from ...engine.adapters.described_rows import described

    text = asked.body.get("rows")
    if not isinstance(text, str):
        return json_answer({"rows": [], "problems": ["expected rows, a text"]}, status=400)
    return json_answer(described(text, host().adapter_files(), host().adapter_path))


ROUTES = [Route("GET", f"{PREFIX}adapters", adapters), Route("POST", f"{PREFIX}rows", rows)]

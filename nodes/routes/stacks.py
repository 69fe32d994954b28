"""What the editor of a stack asks: what its rows are, and what they amount to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.core.errors import WorkbenchError, in_a_line
from ..host import host
from .table import PREFIX, Answer, Asked, Route, json_answer

if TYPE_CHECKING:
    from ...engine.adapters.amounts import Weighed
    from ...engine.vault.index import Index


def rows(asked: Asked) -> Answer:
    """What the rows of a stack are; see ``engine/adapters/described_rows.py``. The request has ``rows``, the text."""
    from ...engine.vault.index import opened

    text = asked.body.get("rows")
    if not isinstance(text, str):
        return json_answer({"rows": [], "problems": ["expected rows, a text"]}, status=400)
    told = _described(text)
    with opened(host().vault_file()) as index:
        told["rows"] = [_with_card(row, index) for row in told["rows"]]
    return json_answer(told)


def amount(asked: Asked) -> Answer:
    """What the rows that are on amount to; those that can't be used are left out.

    The request has ``rows``, the text, and perhaps ``before``, the texts of stacks that come in by wire.
    """
    text, before = asked.body.get("rows"), asked.body.get("before", [])
    if not isinstance(before, list) or not all(isinstance(own, str) for own in [*before, text]):
        return json_answer({"error": {"message": "Expected rows, a text, and before, a list of texts."}}, status=400)
    told = [(own, _described(own)) for own in [*before, text]]
    if any(known["problems"] for _, known in told):  # as happens while a user types
        return json_answer({"total_weight": None})
    try:
        return json_answer(_amount([row for own, known in told for row in _usable(own, known["rows"])]))
    except WorkbenchError as error:
        return json_answer({"total_weight": None, "problem": in_a_line(error)})


def _usable(text: str, described: list[dict[str, Any]]) -> list[Weighed]:
    from ...engine.adapters.amounts import Weighed
    from ...engine.adapters.pasted_rows import read_rows

    return [
        Weighed(host().adapter_path(known["name"]), row.weight, row.text_encoder_weight, row.blocks)
        for row, known in zip(read_rows(text), described, strict=True)
        if row.enabled and (row.weight or row.text_encoder_weight) and "problem" not in known
    ]


def _amount(usable: list[Weighed]) -> dict[str, Any]:
    from ...engine.adapters.amounts import amount_of
    from ...engine.adapters.stack_report import BEST, BREAKS

    with host().computing():
        found = amount_of(usable)
    return {
        "total_weight": found.total_weight,
        "effective_total": found.effective_total,
        "breaks": found.breaks,
        "suggested_factor": found.factor,
        "limit": BREAKS,
        "best": BEST,
        "unmeasured": found.unmeasured,
    }


def _described(text: str) -> dict[str, Any]:
    from ...engine.adapters.described_rows import described

    return described(text, host().adapter_files(), host().adapter_path)


def _with_card(row: dict[str, Any], index: Index) -> dict[str, Any]:
    """A row with the family and the trigger phrases that its adapter's card adds, as the node reads it."""
    if "name" not in row or "family" not in row:
        return row
    card = index.card(row["name"], host().adapter_path(row["name"]))
    known = {phrase.casefold() for phrase in row["phrases"]}
    more = [phrase for phrase in card.triggers if phrase.casefold() not in known]
    return row | {"family": card.family or row["family"], "phrases": [*row["phrases"], *more]}


ROUTES = [
    Route("POST", f"{PREFIX}rows", rows),
    Route("POST", f"{PREFIX}rows/amount", amount),
]

"""What the editor of *Stack* shows beside its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...engine.core.errors import WorkbenchError
from ..host import host
from .stack_rows import name_in

if TYPE_CHECKING:
    from ...engine.adapters.rows import Row


def described(text: str) -> dict[str, Any]:
    """The rows of a text, plain values for JSON.

    Returns:
        ``text``: the rows in their own form, where they were pasted from other programs;
        ``rows``: for each row, ``file``, ``family``, its ``phrases`` and ``blocks`` as far as they are known, and its
        ``problem`` if it has one; ``problems``: what can't be read at all, a sentence each.
    """
    from ...engine.adapters.pasted_rows import read_rows

    try:
        rows = read_rows(text)
    except WorkbenchError as error:
        return {"text": text, "rows": [], "problems": error.got.splitlines()[1:] or [error.got]}
    names = host().adapter_files()
    own = [line for line in text.splitlines() if line.lstrip().startswith("#")]
    return {
        "text": "\n".join([*own, *map(str, rows)]),
        "rows": [{"line": row.line, **_described(row, names)} for row in rows],
        "problems": [],
    }


def _described(row: Row, names: list[str]) -> dict[str, Any]:
    from ...engine.adapters.block_names import known_blocks
    from ...engine.adapters.block_weights import fitting
    from ...engine.adapters.glances import glance

    found: dict[str, Any] = {}
    try:
        found["file"] = name_in(row.adapter, names)
        known = glance(host().adapter_path(found["file"]))
        found |= {"family": known.family, "phrases": known.phrases, "blocks": known_blocks(known.modules)}
        fitting(row.blocks, known.modules, family=known.family, name=row.adapter)
    except WorkbenchError as error:
        found["problem"] = f"{error.got} Expected: {error.expected}." if error.expected else error.got
    return found

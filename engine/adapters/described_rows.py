"""What the editor of *Stack* shows beside its rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ..core.errors import WorkbenchError, in_a_line
from .block_names import known_blocks
from .block_weights import fitting
from .finding import meant, place
from .glances import glance
from .pasted_rows import read_rows
from .rows import Row


def described(text: str, names: Sequence[str], path_of: Callable[[str], Path]) -> dict[str, Any]:
    """The rows of a text, plain values for JSON.

    Args:
        text: as in the node.
        names: of all adapters.
        path_of: gives the path of a name.

    Returns:
        ``text``: the rows in their own form, where they were pasted from other programs;
        ``rows``: for each row its ``line``; the ``name`` of its adapter, unless the file is missing; ``family``,
        ``phrases`` and ``blocks`` as far as they are known, and its ``problem`` if it has one;
        ``problems``: what can't be read at all, a sentence each.
    """
    try:
        rows = read_rows(text)
    except WorkbenchError as error:
        return {"text": text, "rows": [], "problems": error.got.splitlines()[1:] or [error.got]}
    own = [line for line in text.splitlines() if line.lstrip().startswith("#")]
    return {
        "text": "\n".join([*own, *map(str, rows)]),
        "rows": [{"line": row.line, **_described(row, names, path_of)} for row in rows],
        "problems": [],
    }


def _described(row: Row, names: Sequence[str], path_of: Callable[[str], Path]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    try:
        path = place(row.adapter, names, path_of)
        found["name"] = next(iter(meant(row.adapter, names)), row.adapter)
        known = glance(path)
        found |= {"family": known.family, "phrases": known.phrases, "blocks": known_blocks(known.modules)}
        fitting(row.blocks, known.modules, family=known.family, name=row.adapter)
    except WorkbenchError as error:
        found["problem"] = in_a_line(error)
    return found

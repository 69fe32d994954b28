"""What the two evaluations share: how prompts are worded, and how figures are shown and kept."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import world


def prompt(what: str, background: str, style: str = "") -> str:
    """The full sentence that the base knows best.

    Args:
        what: the subject with its article, for example ``a red apple``.
        background: a name of ``world.BACKGROUNDS``.
        style: a style word; without one, the prompt names no style.
    """
    kind = f"{world.article(style)} style emoji" if style else "an emoji"
    return f"{kind} of {what} on {world.article(background)} background"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table whose columns line up; all but the first to the right."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        padded = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = "|".join("-" * (width + 1) + ("-" if i == 0 else ":") for i, width in enumerate(widths))
    return "\n".join([line(cells[0]), f"|{rule}|", *map(line, cells[1:])])


def write_json(path: Path, figures: dict) -> None:
    """Write figures, floats to four places."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(_rounded(figures), indent=2) + "\n", encoding="utf-8")


def _rounded(value: object) -> object:
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value

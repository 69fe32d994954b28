"""The table of docs/effort.md: what was counted of our ways and ComfyUI's, and what follows from others' code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hand import cost

FILE = json.loads(Path(__file__).with_name("effort_of_others.json").read_text(encoding="utf-8"))
OTHERS: dict[str, dict[str, Any]] = FILE["programs"]
"""Program -> task -> its steps, each with the file and function that it follows from; none where it offers nothing."""
REASONS: dict[str, str] = FILE["reasons"]
"""Task -> why ours needs more than others."""
HEAD = f"| | ours | ComfyUI's own | {' | '.join(OTHERS)} |"
RULE = "|---|--:|--:" + "|--:" * len(OTHERS) + "|"


def count_of_other(task: str, other: str, counts: Mapping[str, int]) -> int:
    """What a task takes with another program: what its steps cost, or ComfyUI's own way where it has none."""
    steps = OTHERS[other][task]["steps"]
    return sum(cost(step["act"], step.get("given", "")) for step in steps) if steps else counts["stock"]


def row(task: str, counts: Mapping[str, int]) -> str:
    """A line of the table. In brackets: ComfyUI's own way, as the program offers none."""
    cells = []
    for other in OTHERS:
        count = count_of_other(task, other, counts)
        cells.append(str(count) if OTHERS[other][task]["steps"] else f"({count})")
    return f"| {task} | {counts['ours']} | {counts['stock']} | {' | '.join(cells)} |"


def table(counts: Mapping[str, Mapping[str, int]]) -> str:
    return "\n".join([HEAD, RULE, *(row(task, counted) for task, counted in counts.items())])

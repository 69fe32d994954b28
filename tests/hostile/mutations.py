"""Workflows of people with a few values made odd."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 1e308, float("nan"), float("inf"), "", "x" * 70_000, "\ud800", "\x00", "../../x", "~\x00",
    [], {}, [[]], [None], {"": {}}, [0] * 5000, "LW_LoadDataset", -10, -20, "workflow>x", "#1", "1:1:1",
)  # fmt: skip


def mutated(data: Any, seed: int) -> Any:
    """A copy of JSON in which up to three values are odd, missing or twice there."""
    rng, changed = random.Random(seed), copy.deepcopy(data)
    for _ in range(rng.randrange(1, 4)):
        holder, key = rng.choice(list(_places(changed)))
        fate = rng.randrange(4)
        if fate == 0:
            del holder[key]
        elif fate == 1 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        else:
            holder[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    return changed


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every holder and key below a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in list(inside):
        yield value, key
        yield from _places(part)

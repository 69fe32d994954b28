"""Workflows of people with a few values made odd."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 2**63, 1e308, float("nan"), float("inf"), "", "x" * 70_000, "\ud800", "\x00", "../../x", "~\x00",
    [], {}, [[]], [None], {"": {}}, [0] * 5000, "LW_LoadDataset", -10, -20, "workflow>x", "#1", "1:1:1",
    "text", {"a": {}}, "9" * 300,
)  # fmt: skip
"""Put where something else stood."""


def mutations(data: Any, seed: int) -> Iterator[Any]:
    """Copies of JSON with one to four values replaced, removed, doubled or swapped, anywhere in it."""
    random_ = random.Random(seed)
    while True:
        mutant = copy.deepcopy(data)
        for _ in range(random_.randint(1, 4)):
            holder, key = random_.choice(list(places(mutant)))
            action = random_.randrange(4)
            if action == 0:
                holder[key] = copy.deepcopy(random_.choice(ODD_VALUES))
            elif action == 1:
                del holder[key]
            elif action == 2 and isinstance(holder, list):
                holder.insert(key, copy.deepcopy(holder[key]))
            else:
                other, elsewhere = random_.choice(list(places(mutant)))
                holder[key] = copy.deepcopy(other[elsewhere])
        yield mutant


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    waiting = [value]
    while waiting:
        holder = waiting.pop()
        for key in list(holder) if isinstance(holder, dict) else range(len(holder)):
            yield holder, key
            if isinstance(holder[key], (dict, list)) and holder[key]:
                waiting.append(holder[key])

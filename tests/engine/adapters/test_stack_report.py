"""The limits of a stack, beside what was measured of 200 stacks and eight pairs (``benchmarks/stacking.py``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.adapters.stack_report import BEST, BREAKS, FAINT

BROKEN = 0.10
FIRST = "sum 0.8, 0.6"


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    path = Path(__file__).parents[3] / "benchmarks" / "teaching" / "stacking.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_nearly_all_broken_stacks_and_few_others_are_above_the_limit(measured: dict[str, Any]) -> None:
    above = [own["effective_total"] > BREAKS for own in measured["stacks"].values()]
    broken = [own["distance"] > BROKEN for own in measured["stacks"].values()]
    told = sum(a and b for a, b in zip(above, broken, strict=True))
    false = sum(a and not b for a, b in zip(above, broken, strict=True))
    assert (told, sum(broken), false, len(above)) == (44, 45, 30, 200)


def test_no_stack_is_broken_at_what_is_suggested(measured: dict[str, Any]) -> None:
    below = [own["distance"] for own in measured["stacks"].values() if own["effective_total"] <= BEST + 0.1]
    assert len(below) > 60 and max(below) < BROKEN


def test_the_measure_predicts_better_than_the_sum_of_the_weights(measured: dict[str, Any]) -> None:
    stacks = list(measured["stacks"].values())

    def area(values: list[float]) -> float:
        broken = [v for v, own in zip(values, stacks, strict=True) if own["distance"] > BROKEN]
        sound = [v for v, own in zip(values, stacks, strict=True) if own["distance"] <= BROKEN]
        return sum((b > s) + 0.5 * (b == s) for b in broken for s in sound) / len(broken) / len(sound)

    by_measure = area([own["effective_total"] for own in stacks])
    by_sum = area([sum(own["weights"].values()) for own in stacks])
    assert by_measure > by_sum + 0.01 and by_measure > 0.95


def test_stronger_pairs_are_nearer_in_likeness_and_style(measured: dict[str, Any]) -> None:
    """0.8 and 0.6 amount to 1.0, below what counts as faint; 1.2 and 1.2 to 1.7."""
    assert FAINT > 1.05 and 1.4 < BEST < 1.75
    pairs = measured["pairs"].values()
    for mode in ("sum 1, 1", "sum 1.2, 1.2", "subject makes way by 1/3, 1, 1"):
        for measure in ("likeness", "style"):
            assert sum(pair[mode][measure] for pair in pairs) < 0.95 * sum(pair[FIRST][measure] for pair in pairs)
    way = "subject makes way by 1/3, 1, 1"
    assert all(pair[way][measure] < pair[FIRST][measure] for pair in pairs for measure in ("likeness", "style"))

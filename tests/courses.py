"""Courses of measured snapshots: of trainings on the demo base, and made up.

``courses.json`` has four trainings on art that the demo base hasn't seen, ten snapshots each: mean losses of each
picture over four bands of noise levels, and ``likeness``, the distance of what is drawn to true pictures that were held
out, in the feature space of ``assets/make/features.py``, which the verdict doesn't know. Its thresholds were chosen on
these. The ten of ``benchmarks/stopping.py`` came later.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lora_workbench.engine.evaluation.figures import Figures, PictureFigures

COURSES: dict[str, Any] = json.loads(
    (Path(__file__).parent / "engine" / "evaluation" / "courses.json").read_text(encoding="utf-8")
)
LATER: dict[str, Any] = json.loads(
    (Path(__file__).parents[1] / "benchmarks" / "teaching" / "stopping.json").read_text(encoding="utf-8")
)
OVER_FIT = {"otter3", "engr8"}
"""Three and eight pictures, trained for 600 and 520 steps at a constant rate without class pictures."""


def pictures(losses: Sequence[float], base: Sequence[float], *, held: bool) -> list[PictureFigures]:
    return [
        PictureFigures(name=f"{number}", content_hash=f"{held} {number}", held=held, adapted=(own,), base=(of_base,))
        for number, (own, of_base) in enumerate(zip(losses, base, strict=True))
    ]


def snapshot(step: int, learned: float, held: Sequence[float] = (), *, key: str = "one", drift: float = 0.2) -> Figures:
    """Five training pictures at a loss of 1 - ``learned``, and held-out ones; the base has 1."""
    shown = pictures([1 - learned] * 5, [1.0] * 5, held=False) + pictures(held, [1.0] * len(held), held=True)
    return Figures.of(step, key, shown, drift)


def measured(name: str) -> list[Figures]:
    return figures_of(COURSES[name])


def figures_of(course: dict[str, Any]) -> list[Figures]:
    """Those of the snapshots of a course."""
    return [
        Figures.of(
            step,
            "measured",
            [
                *pictures(course["training"]["adapted"][place], course["training"]["base"], held=False),
                *pictures(course["held"]["adapted"][place], course["held"]["base"], held=True),
            ],
            course["drift"][place],
        )
        for place, step in enumerate(course["steps"])
    ]

"""What the parts of a run's loss came to: of the subject, of the prior, and of what is preserved."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

MEANINGS = {
    "subject": "the pictures to learn from",
    "prior": "the regularization pictures",
    "output_preservation": "the captions of the class, as the base model predicts them",
    "blank_preservation": "the empty prompt, as the base model predicts it",
    "mask_preservation": "outside the masks, as the base model predicts it",
}
"""Name of a part -> what it is measured on."""


def parts_report(parts: Mapping[str, Sequence[float]]) -> dict[str, dict[str, float]]:
    """Name of a part -> its means over the first and the last tenth of the steps, and its share of the loss at the end.

    Args:
        parts: name -> its value at each step, with its weight, so that they add up to the loss. Steps whose parts
            aren't known are NaN.
    """
    ends = {name: _ends([value for value in values if math.isfinite(value)]) for name, values in parts.items()}
    whole = sum(last for _, last in ends.values())
    return {
        name: {"first": round(first, 6), "last": round(last, 6), "share": round(last / whole, 4) if whole else 0.0}
        for name, (first, last) in ends.items()
    }


def parts_in_words(report: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A line for each part of a :func:`parts_report`."""
    return [
        f"{name.replace('_', ' ')}: {own['first']:.3g} to {own['last']:.3g}, {own['share']:.0%} of the loss at the end "
        f"({MEANINGS[name]})"
        for name, own in report.items()
    ]


def _ends(values: Sequence[float]) -> tuple[float, float]:
    tenth = max(1, len(values) // 10)
    if not values:
        return 0.0, 0.0
    return sum(values[:tenth]) / tenth, sum(values[-tenth:]) / tenth

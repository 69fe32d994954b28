"""What decides whether a setting has an effect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...diffusion.prediction import PredictionType


@dataclass(frozen=True, kw_only=True)
class Circumstances:
    """What decides whether a setting has an effect: the recipe, the data sets and the base model."""

    recipe: Any
    """A ``Recipe``, whose groups of settings ask here."""
    has_prior: bool
    """Whether there are regularization pictures."""
    all_cropped: bool
    """Whether every picture has crops of its own, from buckets."""
    prediction_type: PredictionType
    capabilities: frozenset[str] = frozenset()
    """Of the base model."""
    drops_references: bool = False
    """Whether there are pairs, and the base model is guided by pictures before editing."""

    has_masks: bool = False
    """Whether there are masks that weigh."""

    @property
    def is_flow(self) -> bool:
        """Whether the base model is a flow model."""
        return self.prediction_type == "flow"

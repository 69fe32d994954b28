"""The verdict on the snapshots of a run, as nodes show it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

    from ...engine.runs.snapshots import Snapshots


def plot_of_verdict(snapshots: Snapshots) -> Image:
    """What was measured of snapshots, with the one to use."""
    from ...engine.figures.verdict_plot import verdict_plot

    figures, found = snapshots.figures, snapshots.verdict
    lines = {"training pictures": [own.training_loss / (own.base_loss(held=False) or math.nan) for own in figures]}
    if figures and figures[0].held_loss is not None:
        lines["held-out pictures"] = [
            (own.held_loss or math.nan) / (own.base_loss(held=True) or math.nan) for own in figures
        ]
    if any(own.drift is not None for own in figures):
        lines["drift"] = [math.nan if own.drift is None else own.drift for own in figures]
    return verdict_plot(
        [own.step for own in figures], lines, best=found.best if found else 0,
        over_fit_since=found.over_fit_since if found else None, title=f"{snapshots.name}: snapshots",
    )  # fmt: skip

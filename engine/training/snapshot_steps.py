"""When snapshots are due, and which of them are kept."""

from __future__ import annotations

import math

from ..data.dataset import Dataset
from .epochs import steps_per_epoch
from .recipe import Recipe


def due_snapshots(recipe: Recipe, dataset: Dataset) -> tuple[int, ...]:
    """The steps after which a snapshot is due, ascending, and all before the last step: after that one there is the
    result itself.

    Args:
        recipe: with its resolution and steps filled in.
        dataset: the pictures to learn from, which say how long an epoch is.
    """
    settings, steps = recipe.saving, recipe.schedule.steps
    due = {step for step in settings.snapshot_steps if step < steps}
    if settings.snapshot_every:
        due |= {*range(settings.snapshot_every, steps, settings.snapshot_every)}
    if settings.snapshot_epochs:
        between = max(1.0, settings.snapshot_epochs * steps_per_epoch(recipe, dataset))
        ends = (math.ceil(number * between - 1e-6) for number in range(1, int(steps / between) + 1))
        due |= {step for step in ends if step < steps}
    return tuple(sorted(due))


def kept_snapshots(recipe: Recipe, dataset: Dataset, done: int) -> tuple[int, ...]:
    """Those of the due snapshots that are there when ``done`` steps are: the newest ``keep_snapshots``, or all."""
    due, most = [step for step in due_snapshots(recipe, dataset) if step <= done], recipe.saving.keep_snapshots
    return tuple(due[-most:] if most else due)

"""Epochs and steps: how many optimizer steps go once through a data set."""

from __future__ import annotations

import math
from collections import Counter

from ..core.words import counted
from ..data.dataset import Dataset
from ..data.views import Size
from .recipe import Recipe


def bucket_sizes(dataset: Dataset, resolution: int) -> Counter[Size]:
    """Size of the samples -> how many an epoch shows, with repeats. A record has one sample for each of its crops.

    Args:
        dataset: the pictures to learn from.
        resolution: side in pixels of the samples of pictures without crops.
    """
    samples: Counter[Size] = Counter()
    for record in dataset:
        for size in [crop.size for crop in record.crops] or [(resolution, resolution)]:
            samples[size] += record.repeats
    return samples


def steps_per_epoch(recipe: Recipe, dataset: Dataset) -> float:
    """Optimizer steps that go once through the data set, as ``order.chosen`` makes batches of it.

    With one size, batches run on over the end of an epoch, so that the number needn't be whole.
    """
    batch_size, samples = recipe.batches.batch_size, bucket_sizes(dataset, recipe.batches.resolution)
    if len(samples) == 1:
        batches = samples.total() / batch_size
    else:
        batches = sum(-(-count // batch_size) for count in samples.values())
    return batches / recipe.batches.gradient_accumulation


def in_steps(recipe: Recipe, dataset: Dataset) -> Recipe:
    """The recipe with the steps that its epochs come to on a data set; as it is if it goes by steps.

    Raises:
        ConfigError: they are more than the recipe's steps can be.
    """
    if not recipe.schedule.epochs:
        return recipe
    exact = recipe.schedule.epochs * steps_per_epoch(recipe, dataset)
    return recipe.changed(steps=max(1, math.ceil(exact - 1e-6)))


def length(recipe: Recipe, dataset: Dataset) -> str:
    """How long a recipe trains, in both units: ``600 steps = 37.5 epochs of 16 pictures``."""
    epochs = recipe.schedule.steps / steps_per_epoch(recipe, dataset)
    shown = bucket_sizes(dataset, recipe.batches.resolution).total()
    samples = "" if shown == len(dataset) else f" ({shown} samples with repeats and crops)"
    return f"{recipe.schedule.steps} steps = {epochs:.3g} epochs of {counted(len(dataset), 'picture')}{samples}"

"""When snapshots are due: by steps, by epochs and at listed steps, and which of them are kept."""

from __future__ import annotations

from typing import Any

import pytest
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.snapshot_steps import due_snapshots, kept_snapshots
from PIL import Image


@pytest.fixture(scope="module")
def three() -> Dataset:
    return dataset_from_images([Image.new("RGB", (32, 32))] * 3, ["a thing"] * 3, "set")


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({}, ()),
        ({"snapshot_every": 4}, (4, 8)),
        ({"snapshot_every": 5}, (5,)),
        ({"snapshot_every": 10}, ()),
        ({"snapshot_steps": (7, 2, 12, 10)}, (2, 7)),
        ({"snapshot_steps": (2, 8), "snapshot_every": 4}, (2, 4, 8)),
        ({"snapshot_epochs": 1}, (3, 6, 9)),
        ({"snapshot_epochs": 1, "batch_size": 2}, (2, 3, 5, 6, 8, 9)),
        ({"snapshot_epochs": 0.001}, (1, 2, 3, 4, 5, 6, 7, 8, 9)),
    ],
)
def test_due(three: Dataset, settings: dict[str, Any], steps: tuple[int, ...]) -> None:
    assert due_snapshots(Recipe.of(steps=10, resolution=32, **settings), three) == steps


@pytest.mark.parametrize(
    ("most", "done", "steps"), [(0, 10, (2, 4, 6, 8)), (2, 10, (6, 8)), (2, 5, (2, 4)), (2, 1, ()), (9, 7, (2, 4, 6))]
)
def test_kept(three: Dataset, most: int, done: int, steps: tuple[int, ...]) -> None:
    recipe = Recipe.of(steps=10, resolution=32, snapshot_every=2, keep_snapshots=most)
    assert kept_snapshots(recipe, three, done) == steps

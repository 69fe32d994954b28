"""Epochs are counted as the order of a run makes them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.views import fitted
from lora_workbench.engine.training.epochs import bucket_sizes, in_steps, length, steps_per_epoch
from lora_workbench.engine.training.order import chosen
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image


def pictures(repeats: list[int], widths: list[int] | None = None) -> Dataset:
    made = dataset_from_images([Image.new("RGB", (64, 64))] * len(repeats), [None] * len(repeats), "set")
    records = [replace(record, repeats=many) for record, many in zip(made, repeats, strict=True)]
    if widths:
        records = [
            replace(record, crops=(fitted((64, 64), (width, 32)),))
            for record, width in zip(records, widths, strict=True)
        ]
    return replace(made, records=tuple(records))


def recipe(**settings) -> Recipe:
    return Recipe.of(resolution=32, **settings)


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"epochs": 10}, 160),
        ({"epochs": 10, "batch_size": 4}, 40),
        ({"epochs": 10, "batch_size": 4, "gradient_accumulation": 2}, 20),
        ({"epochs": 0.5}, 8),
        ({"epochs": 1, "batch_size": 5}, 4),
        ({"epochs": 0.001}, 1),
        ({"epochs": 0, "steps": 77}, 77),
    ],
)
def test_epochs_come_to_steps(settings, steps):
    assert in_steps(recipe(**settings), pictures([1] * 16)).schedule.steps == steps


def test_repeats_count_and_both_units_are_told():
    repeated = pictures([5] * 8 + [1] * 8)
    made = in_steps(recipe(epochs=2, batch_size=2), repeated)
    assert made.schedule.steps == 48
    assert length(made, repeated) == "48 steps = 2 epochs of 16 pictures (48 samples with repeats and crops)"
    assert length(recipe(steps=600), pictures([1] * 16)) == "600 steps = 37.5 epochs of 16 pictures"


@given(
    repeats=st.lists(st.integers(1, 4), min_size=1, max_size=8),
    widths=st.lists(st.sampled_from([32, 40, 48]), min_size=8, max_size=8),
    batch_size=st.integers(1, 5),
)
def test_an_epoch_of_the_order_shows_each_sample_as_often_as_its_repeats(repeats, widths, batch_size):
    dataset = pictures(repeats, widths[: len(repeats)])
    buckets: dict[int, list[int]] = {}
    for number, (many, width) in enumerate(zip(repeats, widths, strict=False)):
        buckets.setdefault(width, []).extend([number] * many)
    batches = steps_per_epoch(recipe(batch_size=batch_size), dataset)
    assert bucket_sizes(dataset, 32) == {(width, 32): len(own) for width, own in buckets.items()}
    if len(buckets) > 1:
        ordered = [chosen(list(buckets.values()), number, batch_size, 1) for number in range(int(batches))]
        assert Counter(number for batch in ordered for number in batch) == Counter(dict(enumerate(repeats)))
    else:
        assert batches * batch_size == pytest.approx(sum(repeats))

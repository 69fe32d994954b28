"""Folds: every picture is left out once, by its content."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from lora_workbench.engine.core.errors import ConfigError, DatasetError
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.evaluation.folds import folds, without
from PIL import Image


def pictures(count: int) -> Dataset:
    images = [Image.new("RGB", (8, 8), (9 * n, 0, 0)) for n in range(count)]
    return dataset_from_images(images, ["x"] * count, "set")


def test_they_are_alike_in_size_and_cover_the_set() -> None:
    dataset = pictures(11)
    fold = folds(dataset, 3, seed=4)
    assert sorted(Counter(fold).values()) == [3, 4, 4]
    left = [{record.content_hash for record in without(dataset, fold, number)} for number in range(3)]
    assert not set.intersection(*left) and len(set.union(*left)) == 11


def test_they_follow_from_content_and_seed() -> None:
    dataset = pictures(11)
    back = replace(dataset, records=dataset.records[::-1])
    assert folds(back, 3, seed=4) == folds(dataset, 3, seed=4)[::-1]
    assert folds(dataset, 3, seed=5) != folds(dataset, 3, seed=4)


def test_copies_are_left_out_together() -> None:
    dataset = pictures(8)
    doubled = replace(dataset, records=(*dataset.records, *dataset.records))
    fold = folds(doubled, 4, seed=0)
    assert fold[:8] == fold[8:]


def test_too_few_pictures_and_too_many_folds_are_refused() -> None:
    with pytest.raises(DatasetError, match="5 different pictures, too few"):
        folds(pictures(5), 3, seed=0)
    with pytest.raises(DatasetError, match="at least 8"):
        folds(pictures(7), 8, seed=0)
    with pytest.raises(ConfigError, match="1 folds can't be used"):
        folds(pictures(8), 1, seed=0)

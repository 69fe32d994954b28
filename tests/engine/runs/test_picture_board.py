"""The board of a data set: from trainings that leave pictures out, kept, and taken up again after a cancel."""

from __future__ import annotations

import itertools
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generators import closed_at, finish, result
from lora_workbench.engine.adapters.applying import applied
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import CaptionError
from lora_workbench.engine.core.events import Message, Progress, StepDone
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.evaluation.folds import folds, without
from lora_workbench.engine.evaluation.picture_losses import picture_losses
from lora_workbench.engine.evaluation.predicting import Predictor
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.picture_board import BoardSettings, picture_board
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.training_set import encode
from PIL import Image

RECIPE = Recipe.of(
    steps=24, learning_rate=1e-2, rank=8, alpha=8, batch_size=4, warmup_steps=4, sample_every=3, snapshot_every=4,
    measures=True, held_out=0.3, ema_decay=0.9, train_text_encoder=True,
)  # fmt: skip
SETTINGS = BoardSettings(count=2, steps=0, seed=3)


def pictures(count: int = 6) -> Dataset:
    random = np.random.default_rng(5)
    images = [
        Image.fromarray(random.integers(0, 255, (4, 4, 3), np.uint8)).resize((32, 32), Image.Resampling.NEAREST)
        for _ in range(count)
    ]
    made = dataset_from_images(images, [f"a photo of zwx thing {i}" for i in range(count)], "things")
    return replace(made, trigger=TriggerWord(word="zwx"))


@pytest.fixture(scope="module")
def base(quick_sd1: Path) -> Backbone:
    return registry.load_base(quick_sd1, device="cpu", precision="fp32")


@pytest.fixture
def make(base: Backbone, tmp_path: Path):
    def start(dataset: Dataset | None = None, folder: str = "store", settings: BoardSettings = SETTINGS):
        return picture_board(base, dataset or pictures(), RECIPE, store=RunStore(tmp_path / folder), settings=settings)

    return start


@pytest.fixture(scope="module")
def whole(base: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[Any], Path]:
    """The board that nothing disturbs, its events, and its run store."""
    folder = tmp_path_factory.mktemp("whole")
    return *finish(picture_board(base, pictures(), RECIPE, store=RunStore(folder), settings=SETTINGS)), folder


def test_each_picture_is_judged_by_the_training_that_left_it_out(base: Backbone, whole: Any) -> None:
    made, _, folder = whole
    assert [own.evidence.content_hash for own in made.placed] == [record.content_hash for record in pictures()]
    store, dataset = RunStore(folder), pictures()
    fold, short = folds(dataset, SETTINGS.count, SETTINGS.seed), SETTINGS.recipe(RECIPE, dataset)
    for left_out in range(SETTINGS.count):
        rest = without(dataset, fold, left_out)
        trained, _ = finish(train_adapter(base, rest, short, seed=SETTINGS.seed, store=store, name="again"))
        assert trained.cached
        with applied(base, Stack((StackEntry(trained.adapter),))):
            encoded, _ = finish(encode(base, dataset, 32, store.encoded, embed=False))
            predictor = Predictor(backbone=base, batch=4, guidance=1.0)
            losses, _ = finish(picture_losses(predictor, encoded, dataset.records, seed=SETTINGS.seed, label=""))
        for own, picture, losses_now in zip(fold, made.placed, losses, strict=True):
            known = picture.evidence.unseen if own == left_out else picture.evidence.seen
            assert known.told == pytest.approx(losses_now.told, rel=1e-4)
            assert known.untold == pytest.approx(losses_now.untold, rel=1e-4)
    assert made.placed[0].evidence.unseen != made.placed[0].evidence.seen != made.placed[0].evidence.base


def test_a_quarter_of_the_steps_is_trained_without_samples_and_snapshots(whole: Any) -> None:
    _, events, folder = whole
    assert [event.step for event in events if isinstance(event, StepDone)] == [*range(1, 7)] * 2
    assert not list(folder.rglob("snapshots")) and not list(folder.rglob("samples"))


def test_nothing_is_done_twice(make, whole: Any, tmp_path: Path) -> None:
    first, _, folder = whole
    shutil.copytree(folder, tmp_path / "store")
    again, events = finish(make())
    assert again == first
    assert not [event for event in events if isinstance(event, StepDone | Progress)]


def test_a_cancelled_board_goes_on_where_it_was(make, whole: Any) -> None:
    steps = itertools.count(1)
    closed_at(make(), lambda event: isinstance(event, StepDone) and next(steps) == 6 + 2)
    made, later = finish(make())
    assert [event.step for event in later if isinstance(event, StepDone)] == [*range(3, 7)]
    assert made == whole[0]


def test_repeats_and_order_change_trainings_but_not_what_is_measured(make, whole: Any) -> None:
    often = pictures()
    often = replace(often, records=(replace(often.records[0], repeats=3), *often.records[1:]))
    usual, made = whole[0], result(make(often))
    assert made.placed[0].evidence.base == usual.placed[0].evidence.base
    pairs = zip(made.placed, usual.placed, strict=True)
    assert any(one.evidence.unseen != other.evidence.unseen for one, other in pairs)


def test_a_missing_caption_is_refused_before_any_training(make) -> None:
    bare = pictures()
    bare = replace(bare, records=(replace(bare.records[0], caption=None), *bare.records[1:]))
    events = make(bare)
    with pytest.raises(CaptionError):
        for event in events:
            assert isinstance(event, Message)

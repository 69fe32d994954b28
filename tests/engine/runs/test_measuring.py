"""Measures of a run: the same bits are trained with them, and the same figures come of a run that was cut off."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from generators import closed_at, finish, step_done
from lora_workbench.engine.core.errors import ConfigError, DatasetError, TrainingError
from lora_workbench.engine.core.events import Message, Progress, SnapshotMeasured
from lora_workbench.engine.core.ranks import Ranks
from lora_workbench.engine.data.buckets import BucketSettings, bucketed
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.masking import with_masks
from lora_workbench.engine.data.views import Augmentation
from lora_workbench.engine.evaluation.draws import Draws
from lora_workbench.engine.evaluation.predicting import Noisy, Predictor
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs import measuring as of_run
from lora_workbench.engine.runs.dreambooth import train_dreambooth
from lora_workbench.engine.runs.embedding import train_embedding
from lora_workbench.engine.runs.forecasting import forecast
from lora_workbench.engine.runs.inside import injected
from lora_workbench.engine.runs.key import Run
from lora_workbench.engine.runs.processes import train_on_devices
from lora_workbench.engine.runs.sliders import train_prompt_slider
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import TrainedAdapter, train_adapter
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.slider import PromptSlider
from PIL import Image
from tiny import TINY

RECIPE = Recipe.of(
    steps=4, learning_rate=1e-3, rank=2, alpha=2, batch_size=8, warmup_steps=0, save_every=3, snapshot_steps=(1, 3),
    targets="attention", caption_dropout=0.3,
)  # fmt: skip
"""All draws of a picture are one forward pass with this batch."""
MEASURED = RECIPE.changed(measures=True, held_out_pictures=("1.png", "4.png"))
ADAPTER = "measuring the adapter"
ONCE = MEASURED.changed(steps=2, snapshot_steps=())


def pictures(count: int = 7, size: tuple[int, int] = (40, 32), class_word: str = "thing") -> Dataset:
    random = np.random.default_rng(5)
    images = [
        Image.fromarray(random.integers(0, 255, (4, 5, 3), np.uint8)).resize(size, Image.Resampling.NEAREST)
        for _ in range(count)
    ]
    made = dataset_from_images(images, [f"a photo of zwx thing {i}" for i in range(count)], "things")
    named = [replace(r, source=replace(r.source, name=f"{i}.png")) for i, r in enumerate(made)]
    return replace(made, records=tuple(named), trigger=TriggerWord(word="zwx", class_word=class_word))


def without(dataset: Dataset, *names: str) -> Dataset:
    return replace(dataset, records=tuple(record for record in dataset if record.name not in names))


@pytest.fixture(scope="module")
def base(tiny_sd1: Path) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu", precision="fp32")


@pytest.fixture
def train(base: Backbone, tmp_path: Path):
    def start(recipe: Recipe = MEASURED, folder: str = "store", dataset: Dataset | None = None, **others: Any):
        others = {"base": base, "seed": 7, "name": "zwx"} | others
        return train_adapter(dataset=dataset or pictures(), recipe=recipe, store=RunStore(tmp_path / folder), **others)

    return start


@pytest.fixture(scope="module")
def undisturbed(base: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], tuple[Any, Any, Path]]:
    """Whether the text encoder is trained -> (the run that nothing disturbs, its events, its run store)."""

    @cache
    def run(text_encoder: bool) -> tuple[Any, Any, Path]:
        folder, recipe = tmp_path_factory.mktemp("undisturbed"), MEASURED.changed(train_text_encoder=text_encoder)
        return *finish(train_adapter(base, pictures(), recipe, seed=7, store=RunStore(folder), name="zwx")), folder

    return run


@pytest.fixture
def before(undisturbed: Any, tmp_path: Path) -> TrainedAdapter:
    """The run that nothing disturbs, which is in the store of ``train`` then."""
    trained, _, folder = undisturbed(False)
    shutil.copytree(folder, tmp_path / "store")
    return trained


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"train_text_encoder": True, "optimizer": "schedule_free_adamw", "schedule": "constant"},
        {"ema_decay": 0.5, "ema_in": "files", "output_preservation": 0.5},
        {"checkpointing": "all", "noisy_rank": 1, "gradient_accumulation": 2},
    ],
    ids=["plain", "averages by optimizer", "moving average", "checkpointed"],
)
def test_measures_change_no_bit_of_the_training(train, changes: dict[str, Any]) -> None:
    state, short = torch.get_rng_state(), {"steps": 2, "snapshot_steps": (1,)} | changes
    as_usual = RECIPE.changed(**short | {"checkpointing": "auto"})
    plain, _ = finish(train(as_usual, "plain", without(pictures(), "1.png", "4.png")))
    measured, events = finish(train(MEASURED.changed(**short), "measured"))
    assert torch.equal(torch.get_rng_state(), state)
    assert measured.losses == plain.losses
    assert measured.adapter.content_hash == plain.adapter.content_hash
    assert [event.step for event in events if isinstance(event, SnapshotMeasured)] == [1, 2]
    assert plain.figures == ()


def test_figures_are_of_each_snapshot_and_of_the_finished_adapter(undisturbed) -> None:
    trained, events, store = undisturbed(False)
    assert [figures.step for figures in trained.figures] == [1, 3, 4]
    assert trained.figures == tuple(event.figures for event in events if isinstance(event, SnapshotMeasured))
    for figures in trained.figures:
        assert {own.name for own in figures.pictures if own.held} == {"1.png", "4.png"}
        assert {own.name for own in figures.pictures if not own.held} <= {f"{i}.png" for i in (0, 2, 3, 5, 6)}
        assert figures.membership and 0 <= figures.membership.auc <= 1 and 0 < figures.membership.p <= 1
        assert figures.drift is not None and 0 < figures.drift < 2
        assert len(figures.training_bands) == len(figures.held_bands) == 4
    first, *others = trained.figures
    for figures in others:
        assert [own.base for own in figures.pictures] == [own.base for own in first.pictures], "the base stays"
        assert [own.adapted for own in figures.pictures] != [own.adapted for own in first.pictures]
    [folder] = (store / "runs").iterdir()
    assert sorted(path.name for path in (folder / "snapshots").iterdir()) == [
        "000001-of-000004.json", "000001-of-000004.safetensors", "000003-of-000004.json",
        "000003-of-000004.safetensors", "000004-of-000004.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("stop", "text_encoder"),
    [
        (step_done(2), False),
        (step_done(3), False),
        (lambda event: isinstance(event, Progress) and event.label == "measuring the base model", False),
        (
            lambda event: isinstance(event, Progress) and event.label == "measuring the adapter" and event.done == 3,
            True,
        ),
        (lambda event: isinstance(event, SnapshotMeasured) and event.step == 3, False),
    ],
    ids=["between", "before a snapshot", "with the base model", "in measures", "after measures"],
)
def test_a_run_that_was_cut_off_has_the_same_figures(train, undisturbed, stop: Any, text_encoder: bool) -> None:
    recipe = MEASURED.changed(train_text_encoder=text_encoder)
    whole, _, _ = undisturbed(text_encoder)
    closed_at(train(recipe), stop)
    rest, _ = finish(train(recipe))
    assert rest.figures == whole.figures
    assert rest.adapter.content_hash == whole.adapter.content_hash


def test_a_run_that_was_trained_before_has_its_figures(train, before) -> None:
    again, events = finish(train())
    assert again.cached and again.figures == before.figures
    assert not [event for event in events if isinstance(event, SnapshotMeasured)]
    silent, _ = finish(train(MEASURED.changed(measures=False)))
    assert silent.cached and silent.figures == (), "measures and held-out pictures are no part of the key"
    other, _ = finish(train(MEASURED.changed(held_out_pictures=("1.png",)), dataset=without(pictures(), "4.png")))
    assert not other.cached, "other pictures were measured than those that are asked for"
    assert [figures.step for figures in other.figures] == [1, 3, 4]
    assert {own.name for own in other.figures[0].pictures if own.held} == {"1.png"}
    assert other.adapter.content_hash == before.adapter.content_hash


def test_more_steps_keep_the_figures_of_the_earlier_ones(train, before) -> None:
    """Where as much is measured of the longer run: at the least that is measured anyhow."""
    longer, _ = finish(train(MEASURED.changed(steps=5)))
    assert longer.resumed_at == 4
    assert longer.figures[:3] == before.figures
    assert [figures.step for figures in longer.figures] == [1, 3, 4, 5]


def test_figures_depend_on_pictures_not_on_their_order(base: Backbone, tmp_path: Path) -> None:
    """Measured with an adapter that does something, on the same run in another order of its pictures."""

    def measured(dataset: Dataset) -> dict[str, tuple[float, ...]]:
        recipe = MEASURED.changed(resolution=32)
        held = without(dataset, *(f"{i}.png" for i in (0, 2, 3, 5, 6)))
        training = without(dataset, "1.png", "4.png")
        run = Run(base=base, dataset=training, recipe=recipe, regularization=None, seed=1, held=held)
        make, _ = finish(of_run.measuring(run, RunStore(tmp_path), Ranks()))
        with injected(run) as injection:
            for parameter in injection.parameters.values():
                parameter.data.fill_(0.05)
            figures, _ = finish(make(injection)(1))
        assert figures.drift
        return {own.name: own.adapted for own in figures.pictures}

    dataset = pictures()
    assert measured(dataset) == measured(replace(dataset, records=dataset.records[::-1]))


def test_an_adapter_that_does_nothing_gains_nothing(base: Backbone, tmp_path: Path) -> None:
    run = Run(
        base=base, dataset=pictures(), recipe=MEASURED.changed(resolution=32), regularization=None, seed=1, held=None
    )
    make, _ = finish(of_run.measuring(run, RunStore(tmp_path), Ranks()))
    with injected(run) as injection:
        figures, _ = finish(make(injection)(1))
        assert injection.weight == 1
    assert all(own.adapted == own.base for own in figures.pictures)
    assert figures.drift is None and figures.membership is None and figures.held_loss is None


def test_pictures_in_buckets_with_masks_and_variants_are_measured_in_one_view(train) -> None:
    dataset = pictures(size=(64, 40))
    mask = Image.new("L", (64, 40))
    mask.paste(255, (0, 0, 30, 40))
    dataset = finish(with_masks(dataset, "files", 0.1, [mask] * len(dataset)))[0].dataset
    dataset = finish(bucketed(dataset, BucketSettings(resolutions=(32, 48), step=8)))[0]
    varied = Augmentation(flip=True, crop=0.1, color=0.1, count=3)
    dataset = replace(dataset, records=tuple(replace(record, augmentation=varied) for record in dataset))
    trained, _ = finish(train(MEASURED.changed(steps=2, snapshot_steps=(1,)), dataset=dataset))
    assert len(trained.figures) == 2
    names = [own.name for own in trained.figures[0].pictures]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("family", ["flux1", "ip2p"])
def test_models_with_other_inputs_are_measured(family: str, train, tmp_path: Path) -> None:
    """FLUX.1 is told the guidance, and InstructPix2Pix has pictures before editing, which plain pictures lack."""
    other = registry.load_base(TINY[family](tmp_path / family), device="cpu", precision="fp32")
    trained, _ = finish(train(MEASURED.changed(steps=1, snapshot_steps=()), base=other))
    [figures] = trained.figures
    assert np.isfinite([own.adapted for own in figures.pictures]).all()


def test_draws_are_predicted_a_batch_at_a_time(base: Backbone) -> None:
    prompt, draws = base.encode_prompts(["a thing"]), Draws.of((4, 4, 4), "x", seed=1, count=1)
    noisy = Noisy.of(base, torch.ones(4, 4, 4), draws)
    one, other = (
        Predictor(backbone=base, batch=batch, guidance=1.0).predictions(noisy, prompt) for batch in (8, 3)
    )  # fmt: skip
    assert one.shape == (8, 4, 4, 4)
    torch.testing.assert_close(one, other)


def test_without_a_class_word_the_trigger_word_is_left_out(train) -> None:
    trained, _ = finish(train(ONCE, dataset=pictures(class_word="")))
    assert trained.figures[-1].drift


def test_a_share_is_held_out_and_told(train) -> None:
    recipe = ONCE.changed(held_out_pictures=(), held_out=0.3)
    trained, events = finish(train(recipe))
    held = {own.name for own in trained.figures[0].pictures if own.held}
    assert len(held) == 2
    told = " ".join(event.text for event in events if isinstance(event, Message))
    assert "Held out of the training: 2 pictures" in told and all(name in told for name in held)
    assert "5 are left" in told and "Measuring takes more than usual" in told
    rest, _ = finish(train(RECIPE.changed(steps=2), "rest", without(pictures(), *held)))
    assert rest.adapter.content_hash == trained.adapter.content_hash
    again, _ = finish(train(recipe))
    assert again.cached


def test_a_choice_that_was_kept_and_is_damaged_is_made_again(train, tmp_path: Path) -> None:
    recipe = ONCE.changed(held_out_pictures=(), held_out=0.3)
    finish(train(recipe))
    [kept] = (tmp_path / "store" / "held_out").rglob("*.txt")
    chosen = kept.read_text()
    kept.write_text("[")
    assert finish(train(recipe))[0].cached
    assert kept.read_text() == chosen


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"held_out_pictures": ("1.pgn",)}, ConfigError, "'1.pgn' is no picture of things; did you mean 1.png?"),
        ({"held_out_pictures": tuple(f"{i}.png" for i in range(6))}, DatasetError, "at least 2 to train on"),
    ],
)
def test_what_can_not_be_held_out_is_refused(train, changes: dict[str, Any], error: type[Exception], words: str):
    with pytest.raises(error, match=words.replace("?", r"\?")):
        finish(train(MEASURED.changed(**changes)))


def test_held_out_pictures_are_checked_as_those_that_are_trained_on(train) -> None:
    dataset = pictures()
    shared = replace(without(dataset, *(f"{i}.png" for i in range(6) if i != 4)), trigger=None, name="class")
    with pytest.raises(DatasetError, match=r"4\.png"):
        finish(train(dataset=dataset, regularization=without(shared, "6.png")))


def test_a_share_and_names_are_refused_together() -> None:
    with pytest.raises(ConfigError, match="a share or names, not both"):
        MEASURED.changed(held_out=0.2)


@pytest.mark.parametrize("asked", [{"measures": True}, {"held_out": 0.2}, {"held_out_pictures": ("1.png",)}])
def test_only_adapters_of_pictures_are_measured(base: Backbone, tmp_path: Path, asked: dict[str, Any]) -> None:
    recipe, given = RECIPE.changed(**asked), {"seed": 1, "store": RunStore(tmp_path), "name": "x"}
    slider = PromptSlider(positive="big", negative="small", neutral=("a thing",))
    runs = [
        train_dreambooth(base, pictures(), recipe, **given),
        train_embedding(base, pictures(), recipe, vectors=1, begins_as="", **given),
        train_prompt_slider(base, slider, recipe, pictures=1, **given),
        forecast(base, pictures(), recipe, store=RunStore(tmp_path), whole=True),
    ]
    for events in runs:
        with pytest.raises(TrainingError, match=next(iter(asked))):
            finish(events)


def test_a_forecast_counts_the_epochs_of_what_is_left(base: Backbone, tmp_path: Path) -> None:
    recipe = MEASURED.changed(epochs=2, batch_size=1)
    found, _ = finish(forecast(base, pictures(), recipe, store=RunStore(tmp_path), trial=False))
    assert found.steps == 10


@pytest.mark.usefixtures("warm_processes")
@pytest.mark.proofs
def test_several_processes_train_the_same_and_the_first_measures(train, base: Backbone, tmp_path: Path) -> None:
    recipe = MEASURED.changed(gradient_accumulation=2, batch_size=1)
    alone, _ = finish(train(recipe))
    shared: TrainedAdapter = finish(
        train_on_devices(
            base, pictures(), recipe.changed(devices=2), seed=7, store=RunStore(tmp_path / "shared"), name="zwx"
        )
    )[0]
    assert shared.adapter.content_hash == alone.adapter.content_hash
    assert [figures.step for figures in shared.figures] == [1, 3, 4]


def test_figures_can_be_read_by_others(undisturbed) -> None:
    trained, _, store = undisturbed(False)
    [path] = (store / "runs").rglob("000001-of-*.json")
    told = json.loads(path.read_text())
    assert told["training_loss"] == trained.figures[0].training_loss and told["membership"]["auc"] <= 1

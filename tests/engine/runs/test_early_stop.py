"""Runs that end by themselves: at the same step and to the same bits whenever they were cut off, and once."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
from generators import closed_at, finish, result, step_done
from lora_workbench.engine.core.errors import ConfigError, TrainingError
from lora_workbench.engine.core.events import Message, RunOpened, SnapshotMeasured, SnapshotSaved, StateSaved, StepDone
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.embedding import train_embedding
from lora_workbench.engine.runs.listing import listed_runs
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import TrainedAdapter, train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

STEPS, END, BEST = 9, 6, 2
"""The step after which ``RECIPE`` ends: its rate is so high that nothing is learned after the best one."""
RECIPE = Recipe.of(
    steps=STEPS, learning_rate=0.2, rank=2, alpha=2, batch_size=8, warmup_steps=0, schedule="constant", save_every=4,
    targets="attention", snapshot_every=2, measures=True, held_out_pictures=("1.png", "4.png"), early_stop=2,
)  # fmt: skip


def pictures() -> Dataset:
    images = [Image.new("RGB", (32, 32), (36 * n, 255 - 36 * n, 90 * (n % 3))) for n in range(5)]
    made = dataset_from_images(images, [f"a photo of zwx thing {n}" for n in range(5)], "things")
    named = [replace(r, source=replace(r.source, name=f"{n}.png")) for n, r in enumerate(made)]
    return replace(made, records=tuple(named), trigger=TriggerWord(word="zwx", class_word="thing"))


@pytest.fixture(scope="module")
def base(tiny_sd1: Path) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def whole_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture(scope="module")
def whole(base: Backbone, whole_store: Path) -> TrainedAdapter:
    """The run that nothing disturbs."""
    return result(train_adapter(base, pictures(), RECIPE, seed=7, store=RunStore(whole_store), name="zwx"))


@pytest.fixture
def before(whole: TrainedAdapter, whole_store: Path, tmp_path: Path) -> TrainedAdapter:
    """The same, which is in the store of ``train`` then."""
    shutil.copytree(whole_store, tmp_path / "store")
    return whole


@pytest.fixture(scope="module")
def cut_store(base: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of a run which was closed a step before its end."""
    folder = tmp_path_factory.mktemp("cut")
    closed_at(train_adapter(base, pictures(), RECIPE, seed=7, store=RunStore(folder), name="zwx"), step_done(END - 1))
    return folder


@pytest.fixture
def train(base: Backbone, tmp_path: Path) -> Callable[..., Any]:
    def start(recipe: Recipe = RECIPE, folder: str = "store") -> Any:
        return train_adapter(base, pictures(), recipe, seed=7, store=RunStore(tmp_path / folder), name="zwx")

    return start


def of_a_run(trained: TrainedAdapter) -> list[Any]:
    """All that must be the same however a run came to its end."""
    snapshots = trained.snapshots
    return [
        trained.losses, trained.ended_early, trained.adapter.content_hash, trained.figures, snapshots.verdict,
        {step: own.adapter().content_hash for step, own in snapshots.by_step.items()},
    ]  # fmt: skip


def test_it_ends_with_its_adapter_and_all_snapshots(whole: TrainedAdapter) -> None:
    assert len(whole.losses) == END and not whole.stopped
    assert whole.ended_early == whole.notes[0]
    assert whole.ended_early.startswith(
        f"Stopped early after step {END} of {STEPS}: step {BEST} is still the one to use after 2"
    )
    assert f"saves {STEPS - END} steps (33%)" in whole.ended_early
    assert [*whole.snapshots.by_step] == [*range(2, END + 1, 2)]
    assert not whole.snapshots.stopped and whole.snapshots.last.step == whole.snapshots.steps == END
    assert whole.snapshots.verdict and whole.snapshots.verdict.best == BEST
    assert whole.adapter.path and whole.adapter.path.name == f"{STEPS:06d}.safetensors"


def test_its_adapter_is_that_of_a_run_of_so_many_steps(train, whole: TrainedAdapter) -> None:
    shorter = result(train(RECIPE.changed(steps=END, early_stop=0, measures=False)))
    assert shorter.adapter.content_hash == whole.adapter.content_hash


def test_it_is_trained_once(train, before: TrainedAdapter, tmp_path: Path) -> None:
    again, events = finish(train())
    assert again.cached and of_a_run(again) == of_a_run(before)
    assert again.notes[0] == before.ended_early
    assert not [event for event in events if isinstance(event, StepDone)]
    [run] = listed_runs(RunStore(tmp_path / "store"))
    assert (run.done, run.steps, run.progress) == (END, STEPS, "finished")


@pytest.mark.parametrize(
    "again",
    [
        None,
        step_done(END),
        lambda event: isinstance(event, SnapshotSaved) and event.step == END,
        lambda event: isinstance(event, SnapshotMeasured) and event.step == END,
        lambda event: isinstance(event, StateSaved) and event.step == END,
    ],
    ids=["on the way", "at its last step", "with its last snapshot", "with its last measures", "with its state"],
)
def test_a_run_that_was_cut_off_ends_alike(
    train, whole: TrainedAdapter, cut_store: Path, tmp_path: Path, again: Callable[[Any], bool] | None
) -> None:
    shutil.copytree(cut_store, tmp_path / "store")
    if again:
        closed_at(train(), again)
    rest, _ = finish(train())
    assert rest.resumed_at == (END if again else END - 1) and of_a_run(rest) == of_a_run(whole)


def test_what_was_lost_of_it_is_trained_again(train, before: TrainedAdapter, tmp_path: Path) -> None:
    [file] = (tmp_path / "store").rglob(f"{BEST:06d}-of-{STEPS:06d}.json")
    file.unlink()
    again, events = finish(train())
    assert not again.cached and again.resumed_at == 0 and of_a_run(again) == of_a_run(before)
    assert f"snapshot after step {BEST}" in " ".join(event.text for event in events if isinstance(event, Message))
    assert again.adapter.path and again.adapter.path.is_relative_to(tmp_path)
    again.adapter.path.unlink()
    assert of_a_run(result(train())) == of_a_run(before)


def test_more_steps_end_alike(train, before: TrainedAdapter) -> None:
    """Where as much is measured of the longer run: at the least that is measured anyhow."""
    longer = result(train(RECIPE.changed(steps=40)))
    assert longer.resumed_at == END and longer.losses == before.losses
    assert longer.figures == before.figures
    assert "of 40" in longer.ended_early


@pytest.mark.usefixtures("before")
def test_what_decides_the_end_is_part_of_the_key(train, tmp_path: Path) -> None:
    for changes in ({"early_stop": 3}, {"snapshot_every": 3}, {"held_out_pictures": ("1.png", "3.png", "4.png")}):
        closed_at(train(RECIPE.changed(**changes)), step_done(1))
    assert len([*(tmp_path / "store" / "runs").iterdir()]) == 1 + 3
    assert result(train(RECIPE.changed(save_every=7, keep_snapshots=3))).cached


def test_a_run_without_it_goes_on_to_its_end(train, before: TrainedAdapter) -> None:
    plain = result(train(RECIPE.changed(early_stop=0)))
    assert not plain.cached and len(plain.losses) == STEPS and not plain.ended_early
    assert plain.losses[:END] == before.losses and plain.figures[: END // 2] == before.figures


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"measures": False}, "got 2 and false, expected measures = true"),
        ({"snapshot_every": 0}, "got 2 without snapshots, which it compares: expected snapshot_every"),
    ],
)
def test_without_what_it_goes_by_it_is_refused(train, changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match="The recipe has 1 invalid setting") as error:
        finish(train(RECIPE.changed(**changes)))
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"steps": 5, "early_stop": 3}, "it compares 4 snapshots before the last step, and there are 2"),
        ({"steps": 8, "schedule": "cosine"}, "schedule cosine: its last steps"),
        ({"steps": 8, "keep_snapshots": 2}, "Keep 3 or more, or all (0)"),
    ],
)
def test_where_it_can_do_nothing_or_harm_the_run_says_so(train, changes: dict[str, Any], words: str) -> None:
    """Before it encodes anything."""
    with contextlib.closing(train(RECIPE.changed(**changes))) as events:
        before_it_opens = [*takewhile(lambda event: not isinstance(event, RunOpened), events)]
    assert any(words in event.text for event in before_it_opens if isinstance(event, Message))


def test_only_adapters_of_pictures_end_early(base: Backbone, tmp_path: Path) -> None:
    recipe = Recipe.of(steps=2, early_stop=3)
    events = train_embedding(
        base, pictures(), recipe, vectors=1, begins_as="", seed=1, store=RunStore(tmp_path), name="x"
    )
    with pytest.raises(TrainingError, match="The recipe has early_stop = 3"):
        finish(events)


def test_the_record_and_the_file_say_how_it_ended(whole: TrainedAdapter, whole_store: Path) -> None:
    [path] = whole_store.rglob(f"{STEPS:06d}.json")
    record = json.loads(path.read_text())
    assert record["ended_early"] == whole.ended_early == record["notes"][0]
    assert len(record["losses"]) == END

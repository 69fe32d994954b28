"""What a run in progress is asked for: its samples now, and one more snapshot. What it trains stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.core.events import Event, SamplesGenerated, SnapshotSaved, StepDone
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.listing import listed_runs
from lora_workbench.engine.runs.requests import EVERY_SECONDS, Request, ask
from lora_workbench.engine.runs.sample_files import read_samples
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import TrainedAdapter, train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

STEPS = 8
RECIPE = Recipe.of(
    steps=STEPS, learning_rate=1e-3, rank=2, alpha=2, batch_size=2, warmup_steps=0, save_every=3, schedule="constant",
    caption_dropout=0.5, input_perturbation=0.1, ema_decay=0.9, sample_prompts=("a zwx thing",),
)  # fmt: skip
Train = Callable[..., Generator[Event, None, TrainedAdapter]]


@pytest.fixture(scope="module")
def base(quick_sd1: Path) -> Backbone:
    return registry.load_base(quick_sd1, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "navy")]
    return dataset_from_images(pictures, ["a zwx thing"] * 3, "colors")


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore(tmp_path / "store")


@pytest.fixture
def train(base: Backbone, dataset: Dataset, store: RunStore) -> Train:
    def start(recipe: Recipe = RECIPE, to: RunStore = store) -> Generator[Event, None, TrainedAdapter]:
        return train_adapter(base, dataset, recipe, seed=5, store=to, name="zwx")

    return start


@pytest.fixture(autouse=True)
def always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lora_workbench.engine.runs.requests.EVERY_SECONDS", 0)


def finished(
    events: Generator[Event, None, TrainedAdapter], store: RunStore, asks: dict[int, Any] | None = None
) -> tuple[TrainedAdapter, list[Event]]:
    """The result of a run that is asked for something in the step after each of some, and what it has told."""
    seen = []
    while True:
        try:
            seen.append(event := next(events))
        except StopIteration as stop:
            return stop.value, seen
        if isinstance(event, StepDone):
            for wanted in (asks or {}).get(event.step, ()):
                assert ask(store, lineage_of(store), event.steps, wanted)


def lineage_of(store: RunStore) -> str:
    [folder] = (store.root / "runs").iterdir()
    return folder.name


def steps_of(seen: list[Event], kind: type[SamplesGenerated] | type[SnapshotSaved]) -> list[int]:
    return [event.step for event in seen if isinstance(event, kind)]


def as_files(path: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return {name: tensor.tolist() for name, tensor in load_file(path).items()}


def test_samples_and_snapshots_that_are_asked_for_change_no_bit(train: Train, store: RunStore, tmp_path: Path) -> None:
    alone = RunStore(tmp_path / "alone")
    plain, _ = finished(train(to=alone), alone)
    asked, seen = finished(train(), store, {2: ["sample"], 4: ["sample", "snapshot"], 5: ["snapshot"]})
    assert steps_of(seen, SamplesGenerated) == [3, 5] and steps_of(seen, SnapshotSaved) == [5, 6]
    assert asked.losses == plain.losses
    assert asked.adapter.content_hash == plain.adapter.content_hash
    states = [as_files(own.state(lineage_of(own), STEPS)) for own in (alone, store)]
    assert states[0] == states[1]  # weights, moments and averages


def test_they_are_kept_as_those_that_are_due(train: Train, store: RunStore, tmp_path: Path) -> None:
    asked, _ = finished(train(), store, {2: ["sample", "snapshot"]})
    samples = [*read_samples(store.samples(lineage_of(store), STEPS))]
    assert [(own.step, own.prompts) for own in samples] == [(3, ("a zwx thing",))]
    assert [own.step for own in asked.snapshots] == [3, STEPS]
    elsewhere = RunStore(tmp_path / "three")
    three, _ = finished(train(RECIPE.changed(steps=3), to=elsewhere), elsewhere)
    assert asked.snapshots.at(3).adapter().content_hash == three.adapter.content_hash
    [run] = listed_runs(store)
    assert run.snapshots == (3,)
    again, _ = finished(train(), store)
    assert again.cached and again.snapshots == asked.snapshots


def test_a_snapshot_that_was_asked_for_outlives_those_that_are_due(train: Train, store: RunStore) -> None:
    recipe = RECIPE.changed(snapshot_every=2, keep_snapshots=1)
    trained, seen = finished(train(recipe), store, {1: ["snapshot"], 2: ["snapshot"]})
    assert steps_of(seen, SnapshotSaved) == [2, 3, 4, 6]
    assert [own.step for own in trained.snapshots] == [3, 6, STEPS]
    other, _ = finished(train(RECIPE.changed(snapshot_every=0)), store)
    assert other.cached and [own.step for own in other.snapshots] == [3, STEPS]


def test_after_the_last_step_there_is_the_result_itself(train: Train, store: RunStore) -> None:
    trained, seen = finished(train(), store, {STEPS - 1: ["sample", "snapshot"]})
    assert steps_of(seen, SamplesGenerated) == [STEPS] and not steps_of(seen, SnapshotSaved)
    assert [own.step for own in trained.snapshots] == [STEPS]


def test_a_run_that_is_resumed_has_what_was_asked_for_before(train: Train, store: RunStore, tmp_path: Path) -> None:
    alone = RunStore(tmp_path / "alone")
    plain, _ = finished(train(to=alone), alone)
    stopped, _ = finished(train(), store, {2: ["snapshot"], 4: ["stop", "snapshot"]})
    assert stopped.stopped and [own.step for own in stopped.snapshots] == [3, 5]
    rest, _ = finished(train(), store)
    assert rest.resumed_at == 5 and [own.step for own in rest.snapshots] == [3, 5, STEPS]
    assert rest.losses == plain.losses and rest.adapter.content_hash == plain.adapter.content_hash


def test_without_prompts_or_a_run_in_progress_nobody_is_asked(train: Train, store: RunStore) -> None:
    events = train(RECIPE.changed(sample_prompts=()))
    while not isinstance(next(events), StepDone):
        pass
    lineage = lineage_of(store)
    with pytest.raises(ConfigError, match="no sample prompts"):
        ask(store, lineage, STEPS, "sample")
    assert not ask(store, lineage, STEPS + 1, "snapshot")
    finished(events, store)
    assert not ask(store, lineage, STEPS, "snapshot")
    assert not [path for path in store.folder(lineage).iterdir() if path.name in ("stop", "sample", "snapshot")]


def test_a_request_that_an_earlier_run_has_left_counts_for_nothing(train: Train, store: RunStore) -> None:
    events = train()
    while not isinstance(next(events), StepDone):
        pass
    events.close()
    lineage = lineage_of(store)
    for wanted in ("stop", "sample", "snapshot"):
        store.request(lineage, wanted).touch()
    trained, seen = finished(train(), store)
    assert not trained.stopped
    assert not steps_of(seen, SamplesGenerated) and not steps_of(seen, SnapshotSaved)
    assert not store.request(lineage, "stop").exists()


def test_a_request_is_looked_for_once_a_second_and_taken_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lora_workbench.engine.runs.requests.EVERY_SECONDS", EVERY_SECONDS)
    now = 0.0
    request = Request(tmp_path / "stop", clock=lambda: now)
    assert not request.is_made()
    (tmp_path / "stop").touch()
    assert not request.is_made()
    now += EVERY_SECONDS
    assert request.is_made()
    now += EVERY_SECONDS
    assert request.is_taken() and not (tmp_path / "stop").exists()
    request.withdraw()
    now += EVERY_SECONDS
    assert not request.is_taken()

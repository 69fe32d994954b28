"""Several processes train what one trains, to the same bits, and stop and end together."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from multiprocessing import active_children

import pytest
from generators import closed_at, finish, result, step_done
from lora_workbench.engine.core.errors import TrainingError
from lora_workbench.engine.core.events import Message, StepDone
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.processes import train_on_devices
from lora_workbench.engine.runs.requests import ask
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

WARM = pytest.mark.usefixtures("warm_processes")
RECIPE = Recipe.of(
    steps=4, learning_rate=1e-3, rank=4, alpha=4, batch_size=1, gradient_accumulation=3, warmup_steps=2, save_every=100,
    caption_dropout=0.3, train_text_encoder=True,
)  # fmt: skip


def up_to(events, step: int) -> None:
    while not (isinstance(event := next(events), StepDone) and event.step == step):
        pass


def pictures(name: str, blue: int) -> Dataset:
    images = [Image.new("RGB", (40, 32), (60 * n, 90, blue)) for n in range(3)]
    return dataset_from_images(images, [f"a {name} {n}" for n in range(3)], name)


@pytest.fixture(scope="module")
def base(tiny_sd1):
    return registry.load_base(tiny_sd1, device="cpu", precision="fp32")


@pytest.fixture
def train(base, tmp_path):
    def start(folder: str, devices: int, recipe: Recipe = RECIPE):
        return of(base, tmp_path / folder, recipe.changed(devices=devices))

    return start


@pytest.fixture(scope="module")
def alone(base, tmp_path_factory):
    """What one process trains."""
    return result(of(base, tmp_path_factory.mktemp("alone"), RECIPE))


def of(base, folder, recipe: Recipe):
    dataset = replace(pictures("zwx thing", 200), trigger=TriggerWord(word="zwx", class_word="thing"))
    return train_on_devices(
        base, dataset, recipe, seed=7, store=RunStore(folder), name="zwx", regularization=pictures("thing", 90)
    )


def test_two_processes_train_what_one_trains(train, alone):
    """Started as the product starts them."""
    shared, events = finish(train("shared", 2))
    assert shared.losses == alone.losses
    assert shared.adapter.content_hash == alone.adapter.content_hash
    told = " ".join(event.text for event in events if isinstance(event, Message))
    assert "1 of 2 processes have nothing to do in the last part of each step" in told
    assert result(train("shared", 1)).cached, "the number of processes is no part of the key"


@WARM
@pytest.mark.proofs
def test_the_moving_average_is_the_same_in_all_processes(train):
    recipe = RECIPE.changed(ema_decay=0.5)
    alone = result(train("alone", 1, recipe))
    closed_at(train("shared", 2, recipe), step_done(2))
    rest = result(train("shared", 2, recipe))
    assert rest.resumed_at == 2
    assert rest.adapter.content_hash == alone.adapter.content_hash


@WARM
@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2)])
def test_a_run_goes_on_with_another_number_of_processes(train, alone, first, then):
    closed_at(train("shared", first), step_done(2))
    rest = result(train("shared", then))
    assert rest.resumed_at == 2
    assert rest.losses == alone.losses
    assert rest.adapter.content_hash == alone.adapter.content_hash
    assert not active_children()


@WARM
def test_a_killed_process_ends_the_run_which_keeps_its_state(train, alone):
    events = train("shared", 2)
    up_to(events, 2)
    (worker,) = active_children()
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(TrainingError, match="has died, or can't be reached"):
        finish(events)
    rest = result(train("shared", 1))
    assert rest.resumed_at >= 2
    assert rest.adapter.content_hash == alone.adapter.content_hash


def test_what_stops_another_process_is_told(train, base, tmp_path, monkeypatch):
    """Its base model is gone as it starts, from nothing, as in the product."""
    monkeypatch.setattr(base, "source", base.source._replace(path=tmp_path / "gone"))
    with pytest.raises(TrainingError, match="Process 1 has stopped: No base model at"):
        finish(train("shared", 2))
    assert not active_children()


@WARM
def test_a_request_stops_both_after_the_same_step(train, tmp_path, monkeypatch):
    monkeypatch.setattr("lora_workbench.engine.runs.requests.EVERY_SECONDS", 0)
    recipe = RECIPE.changed(snapshot_every=2)
    whole = result(train("alone", 1, recipe))
    events, store = train("shared", 2, recipe), RunStore(tmp_path / "shared")
    up_to(events, 2)
    [folder] = (store.root / "runs").iterdir()
    assert ask(store, folder.name, recipe.schedule.steps, "stop")
    stopped = result(events)
    assert stopped.stopped and len(stopped.losses) == 3
    assert not active_children()
    rest = result(train("shared", 2, recipe))
    assert rest.resumed_at == 3 and rest.losses == whole.losses
    assert [s.adapter().content_hash for s in rest.snapshots] == [s.adapter().content_hash for s in whole.snapshots]


@WARM
def test_a_run_that_ends_early_does_so_in_both(train):
    recipe = RECIPE.changed(
        steps=9, learning_rate=0.2, schedule="constant", warmup_steps=0, batch_size=4, snapshot_every=1, measures=True,
        held_out=0.3, early_stop=1,
    )  # fmt: skip
    alone, shared = (result(train(str(devices), devices, recipe)) for devices in (1, 2))
    assert alone.ended_early and shared.ended_early == alone.ended_early
    assert shared.losses == alone.losses and shared.figures == alone.figures
    assert shared.adapter.content_hash == alone.adapter.content_hash

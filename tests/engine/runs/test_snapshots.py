"""Snapshots as a value: what shorter runs give, resumed to the same bits, and trained again where they are missing."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
import torch
from generators import result
from lora_workbench.engine.core.errors import AdapterError, ConfigError
from lora_workbench.engine.core.events import Event, StepDone
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.about import noted
from lora_workbench.engine.runs.requests import ask
from lora_workbench.engine.runs.snapshots import Snapshots
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import TrainedAdapter, train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

RECIPE = Recipe.of(
    steps=8, learning_rate=1e-3, rank=2, alpha=2, warmup_steps=0, save_every=3, schedule="constant", snapshot_every=2
)
DECAYING = RECIPE.changed(schedule="cosine")
Train = Callable[..., Generator[Event, None, TrainedAdapter]]


@pytest.fixture(scope="module")
def base(tiny_sd1: Path) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "navy")]
    return dataset_from_images(pictures, ["a zwx thing"] * 3, "colors")


@pytest.fixture
def train(base: Backbone, dataset: Dataset, tmp_path: Path) -> Train:
    def start(recipe: Recipe = RECIPE, folder: str = "store") -> Generator[Event, None, TrainedAdapter]:
        return train_adapter(base, dataset, recipe, seed=5, store=RunStore(tmp_path / folder), name="zwx")

    return start


@pytest.fixture(scope="module")
def whole_store(base: Backbone, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the run of ``RECIPE``."""
    folder = tmp_path_factory.mktemp("whole")
    result(train_adapter(base, dataset, RECIPE, seed=5, store=RunStore(folder), name="zwx"))
    return folder


@pytest.fixture
def before(whole_store: Path, tmp_path: Path) -> None:
    """That run is in the store of ``train``."""
    shutil.copytree(whole_store, tmp_path / "store")


def steps(snapshots: Snapshots) -> list[int]:
    return [snapshot.step for snapshot in snapshots]


def hashes(snapshots: Snapshots) -> list[str]:
    return [snapshot.adapter().content_hash for snapshot in snapshots]


def files(folder: Path) -> list[int]:
    return sorted(int(path.name[:6]) for path in folder.rglob("snapshots/*.safetensors"))


def advance(events: Generator[Event, None, TrainedAdapter], step: int) -> None:
    """Take events up to the end of a step."""
    while not (isinstance(event := next(events), StepDone) and event.step == step):
        pass


@pytest.mark.usefixtures("before")
def test_they_are_what_runs_of_that_many_steps_give(train: Train) -> None:
    trained = result(train())
    assert steps(trained.snapshots) == [2, 4, 6, 8]
    assert not trained.snapshots.stopped and len(trained.snapshots) == 4
    shorter = [result(train(RECIPE.changed(steps=n), folder=f"{n}")).adapter for n in (2, 4, 6)]
    assert hashes(trained.snapshots) == [adapter.content_hash for adapter in (*shorter, trained.adapter)]
    first = trained.snapshots.at(2).adapter()
    assert first.bound and first.name == "zwx-000002"
    assert {key: update.made_for for key, update in first.modules.items()} == {
        key: update.made_for for key, update in trained.adapter.modules.items()
    }


@pytest.mark.usefixtures("before")
def test_a_run_that_was_trained_before_has_them_too(train: Train) -> None:
    again = result(train())
    assert again.cached and steps(again.snapshots) == [2, 4, 6, 8]
    fewer = result(train(RECIPE.changed(snapshot_every=4)))
    assert fewer.cached and steps(fewer.snapshots) == [4, 8]
    none = result(train(RECIPE.changed(snapshot_every=0)))
    assert none.cached and steps(none.snapshots) == [8]


def test_a_resumed_run_has_those_from_before(train: Train, tmp_path: Path) -> None:
    whole = result(train(DECAYING, folder="whole"))
    events = train(DECAYING)
    advance(events, 5)
    events.close()
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("store/runs/*/snapshots/*")}
    resumed = result(train(DECAYING))
    assert resumed.resumed_at == 5 and len(before) == 2
    assert all(path.stat().st_mtime_ns == at for path, at in before.items())
    assert hashes(resumed.snapshots) == hashes(whole.snapshots)


@pytest.mark.usefixtures("before")
@pytest.mark.parametrize("harm", ["removed", "damaged"])
def test_missing_ones_are_trained_again_and_it_is_said_why(train: Train, harm: str) -> None:
    first = result(train())
    expected = hashes(first.snapshots)
    path = first.snapshots.at(4).path
    path.unlink() if harm == "removed" else path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(AdapterError, match="zwx-000004 after step 4 can't be read"):
        first.snapshots.at(4).adapter()
    again = result(train())
    assert (again.cached, again.resumed_at) == (False, 0)
    (told,) = [remark for remark in again.notes if "snapshot" in remark]
    assert "8 steps were trained before" in told and "after step 4" in told and "begins anew" in told
    assert hashes(again.snapshots) == expected
    assert result(train()).cached


def test_a_state_from_before_the_first_missing_one_is_used(train: Train) -> None:
    result(train(RECIPE.changed(steps=3)))
    first = result(train())
    expected = hashes(first.snapshots)
    first.snapshots.at(6).path.unlink()
    again = result(train())
    assert again.resumed_at == 3 and "goes on at step 3" in again.notes[0]
    assert hashes(again.snapshots) == expected


def test_steps_that_were_trained_without_snapshots_are_trained_again(train: Train) -> None:
    result(train(RECIPE.changed(snapshot_every=0)))
    again = result(train(RECIPE.changed(snapshot_every=4)))
    assert (again.cached, again.resumed_at) == (False, 0) and "wasn't asked for then" in again.notes[0]
    assert steps(again.snapshots) == [4, 8]


def test_training_on_keeps_those_of_the_shorter_run(train: Train) -> None:
    result(train(RECIPE.changed(steps=4)))
    longer = result(train())
    assert longer.resumed_at == 4
    assert hashes(longer.snapshots) == hashes(result(train(folder="straight")).snapshots)


def test_runs_of_another_length_with_a_decaying_rate_have_their_own(train: Train) -> None:
    long, short = result(train(DECAYING)), result(train(DECAYING.changed(steps=6)))
    assert steps(short.snapshots) == [2, 4, 6]
    assert not {*hashes(long.snapshots)} & {*hashes(short.snapshots)}
    assert result(train(DECAYING)).cached


def test_only_the_newest_are_kept(train: Train, tmp_path: Path) -> None:
    recipe = RECIPE.changed(snapshot_every=1, keep_snapshots=2)
    events = train(recipe)
    advance(events, 6)
    assert files(tmp_path) == [4, 5]
    trained = result(events)
    assert steps(trained.snapshots) == [6, 7, 8] and files(tmp_path) == [6, 7]
    assert result(train(recipe)).cached
    all_of_them = result(train(RECIPE.changed(snapshot_every=1)))
    assert not all_of_them.cached and len(all_of_them.snapshots) == 8


@pytest.mark.usefixtures("before")
def test_a_snapshot_is_found_by_its_step(train: Train) -> None:
    snapshots = result(train()).snapshots
    assert [snapshots.at(step).step for step in (1, 2, 3, 5, 7, 8)] == [2, 2, 2, 4, 6, 8]
    assert [snapshot.step for snapshot in snapshots.exactly((6, 2, 6))] == [2, 6]
    for wrong in (0, 9):
        with pytest.raises(ConfigError, match=f"no step {wrong} of zwx.(.|\n)*after step 2, 4, 6, 8"):
            snapshots.at(wrong)
    with pytest.raises(ConfigError, match="no snapshot after step 3, 5 of zwx"):
        snapshots.exactly((2, 3, 5))


def stop_after(events: Generator[Event, None, TrainedAdapter], step: int, store: RunStore) -> TrainedAdapter:
    """Ask a run to stop within the step after this one, which it then ends."""
    advance(events, step)
    (folder,) = (store.root / "runs").iterdir()
    assert ask(store, folder.name, 8, "stop")
    return result(events)


@pytest.fixture
def always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lora_workbench.engine.runs.requests.EVERY_SECONDS", 0)


@pytest.mark.usefixtures("always_looking")
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_a_stopped_run_gives_its_adapter_and_goes_on_to_the_same_bits(
    train: Train, tmp_path: Path, schedule: Any
) -> None:
    recipe, store = RECIPE.changed(schedule=schedule), RunStore(tmp_path / "store")
    whole = result(train(recipe, folder="whole"))
    stopped = stop_after(train(recipe), 4, store)
    assert stopped.stopped and stopped.snapshots.stopped and len(stopped.losses) == 5
    assert stopped.notes[0] == "Stopped at step 5 of 8 on request; queue it again to train on."
    assert steps(stopped.snapshots) == [2, 4, 5]
    assert stopped.snapshots.last.adapter().content_hash == stopped.adapter.content_hash
    lineage = stopped.snapshots.lineage
    assert not store.request(lineage, "stop").exists() and not store.finished(lineage, 8).exists()
    about = noted(store, lineage, 8)
    assert about and (about.name, about.dataset, about.steps, about.stopped_at) == ("zwx", "colors", 8, 5)
    with pytest.raises(ConfigError, match="no step 8 of zwx, which was stopped after 5 of 8 steps"):
        stopped.snapshots.at(8)
    rest = result(train(recipe))
    assert (rest.cached, rest.resumed_at, rest.stopped) == (False, 5, False)
    assert rest.losses == whole.losses
    assert hashes(rest.snapshots) == hashes(whole.snapshots)
    assert steps(rest.snapshots) == [2, 4, 6, 8]


@pytest.mark.usefixtures("always_looking")
def test_a_stopped_adapter_is_what_a_run_of_that_many_steps_gives(train: Train, tmp_path: Path) -> None:
    stopped = stop_after(train(), 4, RunStore(tmp_path / "store"))
    five = result(train(RECIPE.changed(steps=5), folder="five"))
    assert stopped.adapter.content_hash == five.adapter.content_hash


def test_the_base_model_is_left_as_it_was(base: Backbone, train: Train) -> None:
    before = {key: value.clone() for key, value in base.denoiser.state_dict().items()}
    result(train())
    assert all(torch.equal(value, before[key]) for key, value in base.denoiser.state_dict().items())

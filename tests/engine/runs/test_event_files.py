"""TensorBoard events of runs, read by TensorBoard's own reader: complete, and nothing twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.core.events import StepDone
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.inventory import inventory
from lora_workbench.engine.runs.listing import listed_runs
from lora_workbench.engine.runs.recording import export_events
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

RECIPE = Recipe.of(
    steps=6, learning_rate=1e-3, rank=2, alpha=2, warmup_steps=2, schedule="constant", save_every=2, measures=True,
    held_out_pictures=("1.png",), snapshot_steps=(2, 4), blank_preservation=0.5, sample_every=3,
    sample_prompts=("a zwx thing",), tensorboard=True,
)  # fmt: skip


def finish(events: Any) -> Any:
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


@pytest.fixture(scope="module")
def base(quick_sd1: Path) -> Backbone:
    return registry.load_base(quick_sd1, device="cpu", precision="fp32")


@pytest.fixture
def train(base: Backbone, tmp_path: Path) -> Callable[..., Any]:
    images = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "navy", "white")]
    made = dataset_from_images(images, ["a zwx thing"] * 4, "colors")
    named = tuple(replace(r, source=replace(r.source, name=f"{n}.png")) for n, r in enumerate(made))
    dataset: Dataset = replace(made, records=named)

    def start(recipe: Recipe = RECIPE, folder: str = "store") -> Any:
        return train_adapter(base, dataset, recipe, seed=5, store=RunStore(tmp_path / folder), name="zwx")

    return start


def written(folder: Path) -> dict[str, list[tuple[int, Any]]]:
    """Tag -> (step, value) of each event in all files of a folder; of pictures the kind of data only."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    found: dict[str, list[tuple[int, Any]]] = defaultdict(list)
    for file in sorted(folder.rglob("events.out.tfevents.*")):
        for event in EventFileLoader(str(file)).Load():
            for value in event.summary.value:
                number = value.tensor.float_val[0] if value.tensor.float_val else "a picture"
                found[value.tag].append((event.step, number))
    return dict(found)


def test_they_hold_all_that_is_known_of_a_run(train, tmp_path: Path) -> None:
    trained = finish(train())
    found = written(tmp_path / "store" / "runs")
    assert found["training/loss"] == [(n, pytest.approx(loss)) for n, loss in enumerate(trained.losses, 1)]
    for name, values in trained.parts.items():
        assert found[f"training/loss of {name}"] == [(n, pytest.approx(value)) for n, value in enumerate(values, 1)]
    assert len(trained.parts) == 2
    rates = [5e-4, *[1e-3] * 5]
    assert found["training/learning rate"] == [(n, pytest.approx(rate)) for n, rate in enumerate(rates, 1)]
    for name, values in {
        "loss of training pictures": [own.training_loss for own in trained.figures],
        "loss of held-out pictures": [own.held_loss for own in trained.figures],
        "memorisation, AUC": [own.membership.auc for own in trained.figures],
    }.items():
        assert found[f"measures/{name}"] == [
            (step, pytest.approx(value)) for step, value in zip((2, 4, 6), values, strict=True)
        ]
    assert found["samples/1 a zwx thing"] == [(3, "a picture"), (6, "a picture")]


@pytest.mark.parametrize("cut", [3, 4, 5])
def test_those_of_a_resumed_run_go_on_without_doubles(train, tmp_path: Path, cut: int) -> None:
    finish(train(folder="whole"))
    events = train()
    while not (isinstance(event := next(events), StepDone) and event.step == cut):
        pass
    events.close()
    assert len(written(tmp_path / "store")["training/loss"]) == cut
    assert finish(train()).resumed_at == cut
    found, expected = written(tmp_path / "store"), written(tmp_path / "whole")
    samples = "samples/1 a zwx thing"  # that of step 3 isn't made again if the run is cut off right before
    assert {**found, samples: []} == {**expected, samples: []}
    assert found[samples] == expected[samples][-len(found[samples]) :]


def test_a_run_that_was_trained_before_gets_them(train, tmp_path: Path) -> None:
    finish(train(folder="whole"))
    finish(train(RECIPE.changed(tensorboard=False)))
    assert written(tmp_path / "store") == {}
    again = finish(train())
    assert again.cached and {tag: sorted(own) for tag, own in written(tmp_path / "store").items()} == {
        tag: sorted(own) for tag, own in written(tmp_path / "whole").items()
    }
    assert finish(train()).cached and len(written(tmp_path / "store")["training/loss"]) == 6


def test_they_are_written_elsewhere_afterwards(train, tmp_path: Path) -> None:
    finish(train(RECIPE.changed(tensorboard=False)))
    store = RunStore(tmp_path / "store")
    [run] = listed_runs(store)
    for _ in range(2):
        export_events(run, store, tmp_path / "board" / "zwx")
    found = written(tmp_path / "board")
    assert [step for step, _ in found["training/loss"]] == [1, 2, 3, 4, 5, 6]
    assert len(found["training/learning rate"]) == 6 and len(found["measures/loss of training pictures"]) == 3
    assert not (store.folder(run.lineage) / "events").exists()


def test_those_of_a_run_that_was_cut_off_are_of_its_state(train, tmp_path: Path) -> None:
    events = train(RECIPE.changed(tensorboard=False))
    while not (isinstance(event := next(events), StepDone) and event.step == 3):
        pass
    events.close()
    store = RunStore(tmp_path / "store")
    [run] = listed_runs(store)
    export_events(run, store, tmp_path / "board")
    assert len(written(tmp_path / "board")["training/loss"]) == 3


def test_the_run_store_knows_them(train, tmp_path: Path) -> None:
    finish(train())
    [item] = [item for item in inventory(RunStore(tmp_path / "store")) if item.kind == "events"]
    assert item.bytes > 0


def test_without_the_library_the_run_is_refused(train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lora_workbench.engine.runs.event_files.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"lora-workbench\[tensorboard\]"):
        finish(train())

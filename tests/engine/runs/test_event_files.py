"""TensorBoard events of runs, read by TensorBoard's own reader: complete, and nothing twice."""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from generators import closed_at, result, step_done
from lora_workbench.engine.core.errors import ConfigError
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


@pytest.fixture(scope="module")
def base(quick_sd1: Path) -> Backbone:
    return registry.load_base(quick_sd1, device="cpu", precision="fp32")


def run(base: Backbone, folder: Path, recipe: Recipe = RECIPE) -> Any:
    images = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "navy", "white")]
    made = dataset_from_images(images, ["a zwx thing"] * 4, "colors")
    named = tuple(replace(r, source=replace(r.source, name=f"{n}.png")) for n, r in enumerate(made))
    return train_adapter(base, replace(made, records=named), recipe, seed=5, store=RunStore(folder), name="zwx")


@pytest.fixture
def train(base: Backbone, tmp_path: Path) -> Callable[..., Any]:
    return lambda recipe=RECIPE: run(base, tmp_path / "store", recipe)


@pytest.fixture(scope="module")
def whole(base: Backbone, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """The run that nothing disturbs, and its run store."""
    folder = tmp_path_factory.mktemp("whole")
    return result(run(base, folder)), folder


@pytest.fixture(scope="module")
def silent_store(base: Backbone, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That of the same run without events."""
    folder = tmp_path_factory.mktemp("silent")
    result(run(base, folder, RECIPE.changed(tensorboard=False)))
    return folder


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


def test_they_hold_all_that_is_known_of_a_run(whole: Any) -> None:
    trained, folder = whole
    found = written(folder / "runs")
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
def test_those_of_a_resumed_run_go_on_without_doubles(train, whole: Any, tmp_path: Path, cut: int) -> None:
    closed_at(train(), step_done(cut))
    assert len(written(tmp_path / "store")["training/loss"]) == cut
    assert result(train()).resumed_at == cut
    found, expected = written(tmp_path / "store"), written(whole[1])
    samples = "samples/1 a zwx thing"  # that of step 3 isn't made again if the run is cut off right before
    assert {**found, samples: []} == {**expected, samples: []}
    assert found[samples] == expected[samples][-len(found[samples]) :]


def test_a_run_that_was_trained_before_gets_them(train, whole: Any, silent_store: Path, tmp_path: Path) -> None:
    shutil.copytree(silent_store, tmp_path / "store")
    assert written(tmp_path / "store") == {}
    again = result(train())
    assert again.cached and {tag: sorted(own) for tag, own in written(tmp_path / "store").items()} == {
        tag: sorted(own) for tag, own in written(whole[1]).items()
    }
    assert result(train()).cached and len(written(tmp_path / "store")["training/loss"]) == 6


def test_they_are_written_elsewhere_afterwards(silent_store: Path, tmp_path: Path) -> None:
    store = RunStore(silent_store)
    [run] = listed_runs(store)
    for _ in range(2):
        export_events(run, store, tmp_path / "board" / "zwx")
    found = written(tmp_path / "board")
    assert [step for step, _ in found["training/loss"]] == [1, 2, 3, 4, 5, 6]
    assert len(found["training/learning rate"]) == 6 and len(found["measures/loss of training pictures"]) == 3
    assert not (store.folder(run.lineage) / "events").exists()


def test_those_of_a_run_that_was_cut_off_are_of_its_state(train, tmp_path: Path) -> None:
    closed_at(train(RECIPE.changed(tensorboard=False)), step_done(3))
    store = RunStore(tmp_path / "store")
    [run] = listed_runs(store)
    export_events(run, store, tmp_path / "board")
    assert len(written(tmp_path / "board")["training/loss"]) == 3


def test_the_run_store_knows_them(whole: Any) -> None:
    [item] = [item for item in inventory(RunStore(whole[1])) if item.kind == "events"]
    assert item.bytes > 0


def test_without_the_library_the_run_is_refused(train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lora_workbench.engine.runs.event_files.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"lora-workbench\[tensorboard\]"):
        result(train())

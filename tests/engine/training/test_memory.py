"""What a run holds in memory doesn't grow with its pictures or with the runs before it, and changes no bit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.core.errors import DatasetError, TrainingError
from lora_workbench.engine.core.events import Event, StepDone
from lora_workbench.engine.core.host_memory import free_memory
from lora_workbench.engine.data.loading import dataset_from_images, load_dataset
from lora_workbench.engine.data.masking import with_masks
from lora_workbench.engine.data.views import Augmentation
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.held import Budget
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

HERE = Path(__file__).parent
COLORS = ("red", "lime", "blue", "gold")
RECIPE = Recipe.of(steps=6, learning_rate=1e-2, rank=2, alpha=2, batch_size=2, warmup_steps=0, caption_dropout=0.3)

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


@pytest.fixture(scope="module")
def base(tiny_sd1):
    return registry.load_base(tiny_sd1, device="cpu")


@pytest.fixture
def train(base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Generator[Event, None, Any]]:
    """Trains on masked pictures with a prior, in a folder, with so many bytes of memory."""
    picture = Image.linear_gradient("L").resize((32, 32))
    pictures = [Image.new("RGB", (32, 32), color) for color in COLORS]
    dataset = dataset_from_images(pictures, [f"a {color} thing" for color in COLORS], "colors")
    *_, masked = _results(with_masks(dataset, "files", 0.25, [picture] * 4))
    records = tuple(replace(record, augmentation=Augmentation(flip=True)) for record in masked.dataset)
    prior = dataset_from_images([picture.convert("RGB")], ["a thing"], "class")

    def train(folder: str, memory: int, companions: Stack | None = None) -> Generator[Event, None, Any]:
        monkeypatch.setattr(Budget, "of_free_memory", lambda: Budget(memory))
        return train_adapter(
            base, replace(masked.dataset, records=records), RECIPE, seed=1, store=RunStore(tmp_path / folder),
            name="x", regularization=prior, companions=companions,
        )  # fmt: skip

    return train


def _results(events: Generator[Any, None, Any]) -> list[Any]:
    """What a generator yields and, last, what it returns."""
    seen = []
    try:
        while True:
            seen.append(next(events))
    except StopIteration as stop:
        return [*seen, stop.value]


def losses(events: Generator[Event, None, Any]) -> list[float]:
    return [event.loss for event in events if isinstance(event, StepDone)]


@pytest.mark.parametrize("memory", [0, 2000], ids=["on disk", "partly"])
def test_losses_do_not_depend_on_the_memory(train, memory: int):
    held = losses(train("held", 1 << 30))
    assert losses(train("read", memory)) == held
    assert len(held) == RECIPE.schedule.steps


@pytest.mark.parametrize("harm", [Path.unlink, lambda path: path.write_bytes(b"half")], ids=["deleted", "damaged"])
def test_what_the_cache_loses_during_a_run_is_encoded_again(train, tmp_path: Path, harm: Callable[[Path], Any]):
    events = train("harmed", 0)
    until(events, 2)
    for path in (tmp_path / "harmed" / "encoded").rglob("*.safetensors"):
        harm(path)
    assert losses(events) == losses(train("whole", 0))[2:]


def test_what_cannot_be_encoded_again_ends_the_run_which_then_goes_on(train, base, tmp_path: Path):
    """Companions are on the text encoders only until the first step."""
    *_, trained = _results(train_text_encoder(base, tmp_path / "companion"))
    companions = Stack((StackEntry(adapter=trained.adapter, weight=1.0, role="context"),))
    events = train("harmed", 0, companions)
    until(events, 2)
    for path in (tmp_path / "harmed" / "encoded").rglob("*.safetensors"):
        path.unlink()
    with pytest.raises(TrainingError, match=r"(?s)has been deleted or damaged during the run.*run again"):
        list(events)
    assert losses(train("harmed", 0, companions)) == losses(train("whole", 0, companions))[2:]


def test_a_picture_that_is_gone_with_its_latent_is_named(base, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Budget, "of_free_memory", lambda: Budget(0))
    (tmp_path / "set").mkdir()
    Image.new("RGB", (32, 32), "red").save(tmp_path / "set" / "red.png")
    (tmp_path / "set" / "red.txt").write_text("a thing")
    dataset = load_dataset(tmp_path / "set")
    events = train_adapter(base, dataset, RECIPE, seed=1, store=RunStore(tmp_path / "store"), name="x")
    until(events, 1)
    for path in [*(tmp_path / "store" / "encoded").rglob("*.safetensors"), tmp_path / "set" / "red.png"]:
        path.unlink()
    with pytest.raises(DatasetError, match=r"red\.png"):
        list(events)


def until(events: Generator[Event, None, Any], step: int) -> None:
    """Go on to the end of a step."""
    while not (isinstance(event := next(events), StepDone) and event.step == step):
        pass


def train_text_encoder(base, folder: Path) -> Generator[Event, None, Any]:
    dataset = dataset_from_images([Image.new("RGB", (32, 32), "red")], ["a thing"], "red")
    recipe = RECIPE.changed(steps=2, train_text_encoder=True)
    return train_adapter(base, dataset, recipe, seed=1, store=RunStore(folder), name="companion")


def test_free_memory_is_that_of_the_container(tmp_path: Path):
    everything = free_memory(tmp_path)
    assert everything > 1 << 20
    (tmp_path / "memory.max").write_text("3000\n")
    (tmp_path / "memory.current").write_text("2000\n")
    (tmp_path / "memory.stat").write_text("anon 1100\ninactive_file 900\n")
    assert free_memory(tmp_path) == 1900
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory(tmp_path) > 1 << 20


def measured(script: str, *arguments: object) -> Any:
    """What a script beside this file prints."""
    paths = [str(HERE), str(HERE.parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, str(HERE / script), *map(str, arguments)]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@linux
def test_memory_stays_flat_over_many_records(tmp_path: Path):
    """Their latents are 500 MiB."""
    assert measured("many_records.py", tmp_path, 2_000, 2, 10**12)["grown"] < 100


@linux
@pytest.mark.proofs
def test_memory_stays_flat_over_two_hundred_steps_that_are_those_of_a_run_in_memory(tmp_path: Path):
    on_disk = measured("many_records.py", tmp_path / "disk", 10_000, 200, 10**12)
    in_memory = measured("many_records.py", tmp_path / "memory", 10_000, 200, 1)
    assert on_disk["grown"] < 100 < 2500 < in_memory["grown"]
    assert on_disk["losses"] == in_memory["losses"]


@linux
@pytest.mark.proofs
def test_five_runs_in_one_process_leave_its_memory_as_it_was(tmp_path: Path):
    first, *others = measured("five_runs.py", tmp_path)
    assert len(others) == 5 and max(others) < 1.02 * first

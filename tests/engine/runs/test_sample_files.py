"""Sample pictures stay in the run store, whatever becomes of the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lora_workbench.engine.core.events import SamplesGenerated
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.inventory import Wish, inventory, prune
from lora_workbench.engine.runs.sample_files import KeptSamples, keeping_samples, kept_samples
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

RECIPE = Recipe.of(
    steps=6, learning_rate=1e-2, rank=2, alpha=2, batch_size=2, save_every=4, schedule="cosine", sample_every=2,
    sample_prompts=("zwx thing", "a thing"),
)  # fmt: skip
LINEAGE = "abc" * 12


def finish(events):
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


@pytest.fixture(scope="module")
def base(quick_sd1):
    return registry.load_base(quick_sd1, device="cpu")


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    pictures = [Image.new("RGB", (40, 32), color) for color in ("red", "green", "blue")]
    return dataset_from_images(pictures, ["a zwx thing"] * 3, "colors")


@pytest.fixture
def train(base, dataset, tmp_path):
    def start(recipe: Recipe = RECIPE, folder: str = "store"):
        return train_adapter(base, dataset, recipe, seed=7, store=RunStore(tmp_path / folder), name="zwx")

    return start


def of(trained, store: RunStore, recipe: Recipe = RECIPE) -> list[KeptSamples]:
    return kept_samples(store, trained.adapter.metadata["lw.lineage"], recipe)


def pictures(samples: list[KeptSamples]) -> list[bytes]:
    return [file.read_bytes() for kept in samples for file in kept.files]


def test_a_resumed_run_and_a_finished_one_have_all_of_them(train, tmp_path):
    whole = of(finish(train(folder="whole")), RunStore(tmp_path / "whole"))
    assert [kept.step for kept in whole] == [2, 4, 6]
    assert {kept.prompts for kept in whole} == {("zwx thing", "a thing")}
    events = train()
    while not (isinstance(event := next(events), SamplesGenerated) and event.step == 4):
        pass
    events.close()
    resumed, store = finish(train()), RunStore(tmp_path / "store")
    assert resumed.resumed_at == 4
    assert pictures(of(resumed, store)) == pictures(whole)
    again = finish(train())
    assert again.cached and pictures(of(again, store)) == pictures(whole)
    record = json.loads(store.record(resumed.adapter.metadata["lw.lineage"], 6).read_text(encoding="utf-8"))
    assert record["losses"] == resumed.losses and record["resumed_at"] == 4 and record["device"] == "cpu, float32"
    assert record["suggestions"]["snr_gamma"] == [[5.0, "arXiv:2303.09556"]]


def keep(store: RunStore, length: int, *steps: int) -> Path:
    def events():
        for step in steps:
            yield SamplesGenerated(step=step, images=[Image.new("RGB", (8, 8))], prompts=[f"{step} of {length}"])

    folder = store.samples(LINEAGE, length)
    list(keeping_samples(events(), folder))
    return folder


def prompts(store: RunStore, recipe: Recipe) -> list[str]:
    return [prompt for kept in kept_samples(store, LINEAGE, recipe) for prompt in kept.prompts]


def test_a_longer_run_has_those_of_the_part_that_it_continued(tmp_path):
    store = RunStore(tmp_path)
    keep(store, 6, 2, 4, 6)
    keep(store, 10, 6, 8, 10)
    constant = RECIPE.changed(schedule="constant")
    assert prompts(store, constant.changed(steps=10)) == ["2 of 6", "4 of 6", "6 of 10", "8 of 10", "10 of 10"]
    assert prompts(store, constant) == ["2 of 6", "4 of 6", "6 of 6"]
    assert prompts(store, RECIPE.changed(steps=10)) == ["6 of 10", "8 of 10", "10 of 10"], "its rates came down later"


def test_an_interrupted_step_counts_as_none(tmp_path):
    store = RunStore(tmp_path)
    folder = keep(store, 6, 2, 4, 6)
    (folder / "000002" / "prompts.json").unlink()
    (folder / "000004" / "1.webp").unlink()
    assert prompts(store, RECIPE) == ["6 of 6"]


def test_they_are_listed_and_pruned(tmp_path):
    store = RunStore(tmp_path)
    folder = keep(store, 6, 2, 4)
    items = inventory(store)
    assert [(item.kind, item.name, len(item.files)) for item in items] == [("samples", LINEAGE[:24], 2)] * 2
    assert sorted(path for item in items for path in item.files) == sorted(folder.glob("*/*"))
    assert len(prune(store, Wish(larger_than=items[0].bytes))) == 1
    assert prune(store, Wish(older_than=0))
    assert not folder.exists()

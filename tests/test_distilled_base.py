"""A distilled base is trained better beside a training adapter, which is in no picture and no file.

The demo base is distilled to four steps without guidance. Its training adapter is made as people make them for Turbo
models: trained on pictures that the distilled model itself draws, until it predicts like a model that isn't distilled.
Then the demo's fox is trained with it and without it, and drawn by the distilled model in four steps.
"""

from __future__ import annotations

import sys
from collections.abc import Generator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import read_file
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.generation.class_pictures import class_pictures
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import TrainedAdapter, train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

sys.path.append(str(Path(__file__).parents[1] / "assets" / "make"))

pytestmark = pytest.mark.proofs

T = TypeVar("T")
WORD = "zwx"
RECIPE = Recipe.of(
    steps=200, learning_rate=3e-3, rank=16, alpha=16, targets="attention_and_feed_forward", batch_size=8,
    snr_gamma=0.0, warmup_steps=10, schedule="cosine",
)  # fmt: skip
HELD_OUT = 4
"""Pictures of the fox that aren't trained on."""
BACKGROUNDS = ("red", "teal", "purple", "gray")


def finish(events: Generator[Any, None, T]) -> T:
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


def fox(root: Path) -> tuple[Dataset, list[Image.Image]]:
    """The demo's fox with its trigger word, and the pictures that are held out."""
    loaded = load_dataset(root / "assets/datasets/fox")
    records = sorted(loaded, key=lambda record: record.content_hash)
    captioned = [replace(r, caption=(r.caption or "").replace("[trigger]", WORD)) for r in records[HELD_OUT:]]
    return replace(loaded, records=tuple(captioned)), [record.load() for record in records[:HELD_OUT]]


def training_adapter(base: Backbone, folder: Path) -> Adapter:
    """Trained on the distilled model's own pictures."""
    from distill_demo import prompts

    request = GenerationRequest(prompts=tuple(prompts()[::3]), steps=4, guidance=1.0)
    drawn = finish(class_pictures(base, request, 96, folder / "drawn"))
    store = RunStore(folder / "store")
    return finish(train_adapter(base, drawn, RECIPE, seed=1, store=store, name="training adapter")).adapter


@dataclass
class Proof:
    trained: dict[str, TrainedAdapter]
    pictures: dict[str, list[Image.Image]]
    distances: dict[str, float]
    """Mean distance of each drawn fox to the nearest that was held out."""


def prove(base: Backbone, root: Path, folder: Path) -> Proof:
    from features import describe, distance

    dataset, held_out = fox(root)
    companion = StackEntry(training_adapter(base, folder), role="training_only")
    store = RunStore(folder / "store")
    trained = {
        name: finish(train_adapter(base, dataset, RECIPE, seed=0, store=store, name=name, companions=companions))
        for name, companions in (("with", Stack((companion,))), ("without", None))
    }
    prompts = tuple(f"an emoji of a {WORD} animal on a {background} background" for background in BACKGROUNDS)
    request = GenerationRequest(prompts=prompts, seeds=tuple(range(6)), steps=4, guidance=1.0)
    stacks = {"base": None} | {name: Stack((StackEntry(own.adapter),)) for name, own in trained.items()}
    pictures = {name: [one.image for one in finish(generate(base, request, stack))] for name, stack in stacks.items()}
    true = describe(held_out)
    nearest = {name: float(distance(describe(own), true).min(axis=1).mean()) for name, own in pictures.items()}
    return Proof(trained, pictures, nearest)


@pytest.fixture(scope="module")
def proof(root: Path, demo_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Proof:
    from distill_demo import distill

    folder = tmp_path_factory.mktemp("distilled")
    base = load_base(distill(demo_base, folder / "turbo", pictures=240, steps=200), device="cpu")
    return prove(base, root, folder)


def test_the_adapter_is_nearer_to_held_out_pictures_with_it(proof: Proof) -> None:
    assert proof.distances["with"] < 0.9 * proof.distances["without"], proof.distances
    assert proof.distances["with"] < 0.7 * proof.distances["base"], proof.distances


def test_it_is_in_no_file(proof: Proof) -> None:
    with_it, without = (read_file(proof.trained[name].adapter.path)[0] for name in ("with", "without"))
    assert with_it.keys() == without.keys()
    assert {name: tensor.shape for name, tensor in with_it.items()} == {n: t.shape for n, t in without.items()}
    assert "training adapter" in proof.trained["with"].adapter.metadata["lw.companions"]
    assert not any(np.array_equal(a, b) for a, b in zip(*(proof.pictures[n] for n in ("with", "without")), strict=True))

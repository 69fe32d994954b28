"""A distilled base model is trained better beside its training adapter, by likeness to poses that no picture shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import demo_datasets
import distill_demo
import features
import numpy as np
import pytest
from evaluate_adapters import Asked, subject_prompts
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.captions.templates import apply_trigger
from lora_workbench.engine.data.dataset import TriggerWord
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.suggestions import suggest, with_changes
from PIL import Image

pytestmark = pytest.mark.proofs

WORD, SEEDS = "ohwx", 4
COURSE = {"steps": 150, "learning_rate": 0.003, "text_encoder_learning_rate": 0.001}


def finished(events: Any) -> Any:
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


@pytest.fixture(scope="module")
def distilled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the distilled demo base and its training adapter; takes minutes."""
    folder = tmp_path_factory.mktemp("distilled")
    distill_demo.make(folder)
    return folder


@pytest.fixture(scope="module")
def fox(root: Path) -> Image.Image:
    """The subject as RGBA without margin, from its picture without a background."""
    [shot] = [shot for shot in demo_datasets.FOX if shot.transparent]
    picture = Image.open(root / "assets" / "datasets" / "fox" / shot.file)
    upright = picture.rotate(-shot.pose.angle, Image.Resampling.BICUBIC)
    return upright.crop(upright.getbbox())


def trained(base: Backbone, root: Path, store: Path, companions: Stack) -> Adapter:
    dataset = load_dataset(root / "assets" / "datasets" / "fox")
    captioned = apply_trigger(dataset, TriggerWord(word=WORD, class_word="fox"), "replace")
    recipe = with_changes(suggest("subject", len(dataset), base.info), COURSE)
    run = train_adapter(base, captioned, recipe, seed=0, store=RunStore(store), name="fox", companions=companions)
    return finished(run).adapter


def drawn(base: Backbone, asked: list[Asked], *entries: StackEntry) -> list[Image.Image]:
    """Pictures of the distilled model's own few steps, from the same seeds for all."""
    request = GenerationRequest(
        prompts=tuple(dict.fromkeys(one.prompt for one in asked)), seeds=tuple(range(SEEDS)),
        steps=base.info.generation.steps, guidance=base.info.generation.guidance,
    )  # fmt: skip
    return [made.image for made in finished(generate(base, request, Stack(entries)))]


def distance_to_held_out_poses(pictures: list[Image.Image], asked: list[Asked], cutout: Image.Image) -> float:
    """Mean distance from each picture to the nearest held-out pose on the background that was asked for."""
    described, nearest = features.describe(pictures), []
    for place, one in enumerate(asked):
        poses = features.describe(pose.picture(cutout, one.background) for pose in demo_datasets.HELD_OUT_POSES)
        own = described[place * SEEDS : (place + 1) * SEEDS]
        nearest.append(features.distance(own, poses).min(axis=1))
    return float(np.mean(nearest))


def test_training_beside_the_training_adapter_is_nearer_to_the_subject(
    distilled: Path, root: Path, fox: Image.Image, tmp_path: Path
) -> None:
    base = load_base(distilled, device="cpu", precision="fp32")
    helper = load_adapter(distilled / distill_demo.ADAPTER)
    asked = subject_prompts(WORD, 12)
    distances = {"base": distance_to_held_out_poses(drawn(base, asked), asked, fox)}
    for name, entries in (("without", ()), ("with", (StackEntry(helper, role="training_only"),))):
        adapter = trained(base, root, tmp_path, Stack(entries))
        distances[name] = distance_to_held_out_poses(drawn(base, asked, StackEntry(adapter)), asked, fox)
    print(distances)
    assert distances["with"] < 0.5 * distances["base"]
    assert distances["with"] < 0.92 * distances["without"]

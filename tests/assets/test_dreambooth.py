"""All weights learn the demo subject at least as well as an adapter does, and the adapter out of them keeps it.

By likeness to poses that no picture shows, after equal steps, each at the best of the rates that were tried.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import demo_datasets
import features
import numpy as np
import pytest
from evaluate_adapters import Asked, subject_prompts
from lora_workbench.engine.adapters.extraction import Wanted
from lora_workbench.engine.adapters.stack import Stack, StackEntry
from lora_workbench.engine.captions.templates import apply_trigger
from lora_workbench.engine.data.dataset import TriggerWord
from lora_workbench.engine.data.loading import load_dataset
from lora_workbench.engine.generation.batch import GenerationRequest, generate
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.dreambooth import train_dreambooth
from lora_workbench.engine.runs.extracting import extract_adapter
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.suggestions import suggest
from PIL import Image

pytestmark = pytest.mark.proofs

WORD, SEEDS, STEPS = "ohwx", 4, 120
ADAPTER_RATES, WHOLE_RATES = (7.5e-4, 1.5e-3, 3e-3), (1e-4, 3e-4, 1e-3)
TEXT_ENCODER = 1 / 3
"""Of the denoiser's rate, as the demo base declares it."""
RANK = 16
"""Of the adapter that is trained, and of the one that is extracted."""


def finished(events: Any) -> Any:
    while True:
        try:
            next(events)
        except StopIteration as stop:
            return stop.value


@pytest.fixture(scope="module")
def fox(root: Path) -> Image.Image:
    """The subject as RGBA without margin, from its picture without a background."""
    [shot] = [shot for shot in demo_datasets.FOX if shot.transparent]
    picture = Image.open(root / "assets" / "datasets" / "fox" / shot.file)
    upright = picture.rotate(-shot.pose.angle, Image.Resampling.BICUBIC)
    return upright.crop(upright.getbbox())


def drawn(base: Backbone, asked: list[Asked], *entries: StackEntry) -> list[Image.Image]:
    request = GenerationRequest(
        prompts=tuple(dict.fromkeys(one.prompt for one in asked)), seeds=tuple(range(SEEDS)), steps=15, guidance=3.0
    )
    return [made.image for made in finished(generate(base, request, Stack(entries)))]


def distance(pictures: list[Image.Image], asked: list[Asked], cutout: Image.Image) -> float:
    """Mean distance from each picture to the nearest held-out pose on the background that was asked for."""
    described, nearest = features.describe(pictures), []
    for place, one in enumerate(asked):
        poses = features.describe(pose.picture(cutout, one.background) for pose in demo_datasets.HELD_OUT_POSES)
        nearest.append(features.distance(described[place * SEEDS : (place + 1) * SEEDS], poses).min(axis=1))
    return float(np.mean(nearest))


def test_all_weights_are_as_near_as_an_adapter_and_the_extracted_one_keeps_the_gain(
    demo_base: Path, root: Path, fox: Image.Image, tmp_path: Path
) -> None:
    base = load_base(demo_base, device="cpu", precision="fp32")
    pictures = load_dataset(root / "assets" / "datasets" / "fox")
    dataset = apply_trigger(pictures, TriggerWord(word=WORD, class_word="animal"), "replace")
    recipe = suggest("subject", len(dataset), base.info).changed(steps=STEPS, rank=RANK, alpha=float(RANK))
    asked, run = subject_prompts(WORD, 12), {"seed": 0, "store": RunStore(tmp_path), "name": "fox"}
    before = distance(drawn(base, asked), asked, fox)

    def at(rate: float) -> Any:
        return recipe.changed(learning_rate=rate, text_encoder_learning_rate=TEXT_ENCODER * rate)

    adapters = {rate: finished(train_adapter(base, dataset, at(rate), **run)).adapter for rate in ADAPTER_RATES}
    by_adapter = {
        rate: distance(drawn(base, asked, StackEntry(own)), asked, fox) for rate, own in adapters.items()
    }  # fmt: skip
    models = {rate: finished(train_dreambooth(base, dataset, at(rate), **run)).base for rate in WHOLE_RATES}
    by_model = {rate: distance(drawn(own, asked), asked, fox) for rate, own in models.items()}
    best = min(by_model, key=by_model.__getitem__)
    extracted = finished(extract_adapter(base, models[best], Wanted(RANK), name="fox"))
    kept = distance(drawn(base, asked, StackEntry(extracted.adapter)), asked, fox)
    print({"base": before, "adapter": by_adapter, "all weights": by_model, "extracted": kept})
    print(extracted)
    assert by_model[best] <= min(by_adapter.values())
    assert before - kept >= 0.9 * (before - by_model[best])

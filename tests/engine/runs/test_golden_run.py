"""A tiny run whose losses refactorings must reproduce."""

from __future__ import annotations

import pytest
from lora_workbench.engine.core.events import StepDone
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

GOLDEN = [2.006297, 2.151804, 2.379253, 2.037145, 2.296313, 2.19996, 2.025537, 1.781814]
"""Of eight steps on the tiny random base; a change that isn't meant to change numbers must not change these."""


def test_losses_are_those_of_the_golden_run(tiny_sd1, tmp_path):
    base = registry.load_base(tiny_sd1, device="cpu")
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    dataset = dataset_from_images(pictures, ["a zwx thing"] * 3, "colors")
    prior = dataset_from_images([Image.new("RGB", (32, 32), "white")], ["a thing"], "class")
    recipe = Recipe(
        steps=8, learning_rate=1e-2, rank=4, alpha=8, batch_size=2, gradient_accumulation=2, warmup_steps=2,
        schedule="linear", targets="attention_and_feed_forward", caption_dropout=0.2,
    )  # fmt: skip
    run = train_adapter(base, dataset, recipe, seed=5, store=RunStore(tmp_path), name="golden", regularization=prior)
    losses = [event.loss for event in run if isinstance(event, StepDone)]
    assert losses == pytest.approx(GOLDEN, rel=2e-3)

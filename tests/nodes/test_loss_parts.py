"""What Train LoRA shows of the parts of a loss."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.data.dataset import TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.nodes.training.train_lora import TrainLoRA
from PIL import Image
from tiny import save_tiny_z_image


@pytest.fixture(autouse=True)
def own_host(host: Any) -> None:
    """Results go to a temporary folder."""


def test_each_part_has_its_line_and_its_share(tmp_path: Path) -> None:
    """On a flow model, whose prompts of other lengths go through the transformer apart."""
    base = registry.load_base(save_tiny_z_image(tmp_path / "z_image"), device="cpu", precision="fp32")
    dataset = dataset_from_images([Image.new("RGB", (32, 32), "red")], ["a photo of zwx"], "red")
    named = replace(dataset, trigger=TriggerWord(word="zwx", class_word="little red thing"))
    recipe = Recipe.of(steps=10, resolution=32, rank=2, alpha=2, learning_rate=0.01, output_preservation=1.0)
    shown = TrainLoRA.execute(base, named, recipe, 0, "red")
    text = shown.args[2]
    parts = shown.ui["lw_report"][0]["loss_parts"]
    assert list(parts) == ["subject", "output_preservation"]
    assert sum(part["share"] for part in parts.values()) == pytest.approx(1, abs=1e-3)
    assert parts["output_preservation"]["first"] < 1e-9 < parts["output_preservation"]["last"]
    assert "of the loss at the end (the captions of the class, as the base model predicts them)" in text
    assert (
        "output_preservation keeps what the base model makes of captions such as: a photo of little red thing" in text
    )
    plain = TrainLoRA.execute(base, dataset, Recipe.of(steps=1, resolution=32, rank=2, alpha=2), 0, "red")
    assert plain.ui["lw_report"][0]["loss_parts"] == {} and "of the loss at the end" not in plain.args[2]

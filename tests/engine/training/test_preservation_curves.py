"""Each way of preservation gives the curves that it gave, 20 steps of each part; ``GOLDEN_UPDATE=1`` writes them."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from generators import result
from lora_workbench.engine.data.dataset import Dataset, TriggerWord
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.masking import with_masks
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

FILE = Path(__file__).parents[2] / "golden_preservation.json"
RECIPE = Recipe.of(steps=20, learning_rate=1e-2, rank=2, alpha=2, batch_size=2, warmup_steps=0, caption_dropout=0.1)
WAYS: dict[str, dict[str, Any]] = {
    "class pictures": {"prior_weight": 0.5},
    "output": {"output_preservation": 1.0},
    "output with the text encoder": {"output_preservation": 1.0, "train_text_encoder": True},
    "blank": {"blank_preservation": 1.0},
    "mask": {"mask_preservation": 1.0},
}


def masked() -> Dataset:
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    trigger = TriggerWord(word="zwx", class_word="thing")
    dataset = replace(dataset_from_images(pictures, ["a zwx thing"] * 3, "colors"), trigger=trigger)
    mask = Image.new("L", (32, 32))
    mask.paste(255, (0, 0, 16, 32))
    return result(with_masks(dataset, "files", 0.1, [mask])).dataset


@pytest.mark.parametrize("way", WAYS)
def test_the_curves_are_what_they_were(tiny_sd1: Path, tmp_path: Path, way: str) -> None:
    base = registry.load_base(tiny_sd1, device="cpu", precision="fp32")
    prior = dataset_from_images([Image.new("RGB", (32, 32), "white")], ["a thing"], "class")
    events = train_adapter(
        base, masked(), RECIPE.changed(**WAYS[way]), seed=5, store=RunStore(tmp_path), name="x",
        regularization=prior if way == "class pictures" else None,
    )  # fmt: skip
    curves = result(events).parts
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    if os.environ.get("GOLDEN_UPDATE"):
        known[way] = {part: [float(f"{value:.7g}") for value in values] for part, values in curves.items()}
        FILE.write_text(json.dumps(known, indent=1) + "\n")
    assert curves.keys() == known[way].keys()
    for part, values in curves.items():
        assert len(values) == 20
        assert values == pytest.approx(known[way][part], rel=5e-3, abs=1e-5), part

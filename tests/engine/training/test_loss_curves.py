"""Every weighting, loss function and kind of noise gives the curve that it gave, 20 steps of each; ``GOLDEN_UPDATE=1``
writes those that aren't known."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from generators import closed_at, result, step_done
from lora_workbench.engine.data.dataset import Dataset
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.data.masking import with_masks
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

FILE = Path(__file__).parents[2] / "golden_losses.json"
RECIPE = Recipe.of(steps=20, learning_rate=1e-2, rank=4, alpha=4, batch_size=2, warmup_steps=0, caption_dropout=0.1)
WAYS: dict[str, dict[str, Any]] = {
    "min-SNR": {},
    "soft min-SNR": {"loss_weighting": "soft_min_snr"},
    "debiased": {"loss_weighting": "debiased"},
    "P2": {"loss_weighting": "p2", "p2_gamma": 0.5},
    "L1": {"loss_function": "l1"},
    "Huber, constant": {"loss_function": "huber", "huber_schedule": "constant"},
    "Huber, exponential": {"loss_function": "huber", "huber_schedule": "exponential"},
    "Huber, by SNR": {"loss_function": "huber"},
    "smooth L1": {"loss_function": "smooth_l1"},
    "offset noise": {"noise_offset": 0.1},
    "pyramid noise": {"pyramid_iterations": 6},
    "input perturbation": {"input_perturbation": 0.1},
    "dropped tags": {"tag_dropout": 0.5},
    "fewer ranks at noisier levels": {"noisy_rank": 2},
}


@pytest.fixture(scope="module")
def base(tiny_sd1: Path) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def masked() -> Dataset:
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    mask = Image.new("L", (32, 32))
    mask.paste(255, (0, 0, 16, 32))
    dataset = dataset_from_images(pictures, ["zwx, thing, plain, bright"] * 3, "colors")
    return result(with_masks(dataset, "files", 0.1, [mask])).dataset


def run(base: Backbone, dataset: Dataset, folder: Path, **settings: Any) -> Any:
    return train_adapter(base, dataset, RECIPE.changed(**settings), seed=5, store=RunStore(folder), name="x")


@pytest.mark.parametrize("way", WAYS)
def test_the_curves_are_what_they_were(base: Backbone, masked: Dataset, tmp_path: Path, way: str) -> None:
    losses = result(run(base, masked, tmp_path, **WAYS[way])).losses
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    if os.environ.get("GOLDEN_UPDATE"):
        known.setdefault(way, [float(f"{loss:.7g}") for loss in losses])
        FILE.write_text(json.dumps(known, indent=1) + "\n")
    assert len(losses) == 20
    assert losses == pytest.approx(known[way], rel=5e-3, abs=1e-5)
    others = [own for name, own in known.items() if name != way]
    assert all(losses != pytest.approx(own, rel=5e-3, abs=1e-5) for own in others), "each does something of its own"


def test_all_that_can_be_had_together_goes_on_to_the_same_bits(base: Backbone, masked: Dataset, tmp_path: Path) -> None:
    together = {
        "loss_weighting": "soft_min_snr", "loss_function": "huber", "pyramid_iterations": 6, "noisy_rank": 2,
        "input_perturbation": 0.1, "contrastive_guidance": 2.0, "blank_preservation": 1.0, "steps": 4,
    }  # fmt: skip
    whole = result(run(base, masked, tmp_path / "whole", **together))
    closed_at(run(base, masked, tmp_path / "parts", **together, checkpointing="all"), step_done(2))
    rest = result(run(base, masked, tmp_path / "parts", **together, checkpointing="all"))
    assert rest.resumed_at == 2
    assert rest.losses == whole.losses
    assert rest.adapter.content_hash == whole.adapter.content_hash

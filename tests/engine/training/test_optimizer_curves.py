"""Every optimizer and schedule gives the curve that it gave, 20 steps of each, and the same bits when it is killed;
``GOLDEN_UPDATE=1`` writes those that aren't known."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from generators import killed_at, result, state_saved
from lora_workbench.engine.adapters.files import read_file
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.optimizers import OPTIMIZERS
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.engine.training.schedules import SCHEDULES
from lora_workbench.engine.training.state import TrainingState
from PIL import Image

FILE = Path(__file__).parents[2] / "golden_optimizers.json"
RECIPE = Recipe.of(steps=20, learning_rate=1e-2, rank=4, alpha=4, batch_size=2, warmup_steps=2, save_every=16)
OWN: dict[str, dict[str, Any]] = {
    "adamw_8bit": {"optimizer_settings": ("min_8bit_size = 16",)},
    "prodigy": {"learning_rate": 1.0, "optimizer_settings": ("d0 = 0.001",)},
}
DEFAULT = RECIPE.schedule.schedule
SHAPES: dict[str, dict[str, Any]] = {"cosine_restarts": {"schedule_cycles": 3}, "stable_decay": {"decay_share": 0.5}}
WAYS: dict[str, dict[str, Any]] = {
    **{f"optimizer {name}": {"optimizer": name} | OWN.get(name, {}) for name in OPTIMIZERS.names()},
    **{
        f"schedule {name}": {"schedule": name} | SHAPES.get(name, {})
        for name in SCHEDULES.names()
        if name != "constant"
    },
    "schedule rex, to a tenth": {"schedule": "rex", "minimum_rate": 0.1},
}
ALIKE = {"optimizer adamw", "schedule constant"}
"""The defaults: one run is both."""


CLOSE = {"optimizer prodigy": 0.15}
"""Prodigy finds its rate by quotients of small sums, which processors round differently."""


@pytest.fixture(scope="module")
def base(tiny_sd1: Path) -> Backbone:
    return registry.load_base(tiny_sd1, device="cpu", precision="fp32")


def run(base: Backbone, folder: Path, **settings: Any) -> Any:
    pictures = [Image.new("RGB", (32, 32), color) for color in ("red", "green", "blue")]
    dataset = dataset_from_images(pictures, ["a zwx thing"] * 3, "colors")
    return train_adapter(base, dataset, RECIPE.changed(**settings), seed=5, store=RunStore(folder), name="x")


def assert_same_tensors(path: Path, other: Path) -> None:
    found, expected = read_file(path)[0], read_file(other)[0]
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())


@pytest.mark.parametrize("way", WAYS)
def test_twenty_steps_are_what_they_were_and_resume_to_the_same_bits(base: Backbone, tmp_path: Path, way: str) -> None:
    killed = tmp_path / "killed"
    whole = killed_at(run(base, tmp_path / "whole", **WAYS[way]), state_saved(16), tmp_path / "whole", killed)
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    if os.environ.get("GOLDEN_UPDATE"):
        known.setdefault(way, [float(f"{loss:.7g}") for loss in whole.losses])
        FILE.write_text(json.dumps(known, indent=1) + "\n")
    assert len(whole.losses) == 20
    assert whole.losses == pytest.approx(known[way], rel=CLOSE.get(way, 5e-3), abs=1e-5)
    others = [own for name, own in known.items() if {name, way} - ALIKE and name != way]
    assert all(whole.losses != pytest.approx(own, rel=1e-5) for own in others), "each does something of its own"
    resumed = result(run(base, killed, **WAYS[way]))
    assert resumed.resumed_at == 16
    assert resumed.losses == whole.losses
    assert_same_tensors(resumed.adapter.path, whole.adapter.path)


def test_a_schedule_free_run_keeps_its_average_in_every_file(base: Backbone, tmp_path: Path) -> None:
    free: dict[str, Any] = {"optimizer": "schedule_free_adamw"}
    whole = result(run(base, tmp_path / "whole", snapshot_steps=(9,), **free))
    [state_file] = (tmp_path / "whole").rglob("*.state.safetensors")
    state, saved = TrainingState.load(state_file), read_file(whole.adapter.path)[0].values()
    for name, average in averages(state).items():
        alike = [tensor for tensor in saved if tensor.shape == average.shape]
        assert any(torch.allclose(tensor, average, atol=1e-6) for tensor in alike)
        assert not any(torch.allclose(tensor, state.values[name], atol=1e-6) for tensor in alike)
    [snapshot] = (tmp_path / "whole").rglob("snapshots/*.safetensors")
    assert_same_tensors(snapshot, result(run(base, tmp_path / "short", steps=9, **free)).adapter.path)


def averages(state: TrainingState) -> dict[str, torch.Tensor]:
    """The averages x from what training keeps: y = (1 - beta) z + beta x (arXiv:2405.15682, eq. 4)."""
    beta = 0.9
    return {name: (y - (1 - beta) * state.optimizer[f"state.{name}.z"]) / beta for name, y in state.values.items()}

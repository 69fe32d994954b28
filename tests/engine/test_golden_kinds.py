"""Twenty steps with every kind of adapter and all first values give what they gave, also when they are killed."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from generators import killed_at, result, state_saved
from lora_workbench.engine.adapters.files import read_file
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.adapters.kinds.first_values import FIRST_VALUES
from lora_workbench.engine.core.keys import VERSIONS
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models import registry
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from PIL import Image

FILE = Path(__file__).parents[1] / "golden.json"
METHODS: dict[str, dict[str, Any]] = {
    **{f"kind {kind.name}": {"kind": kind.name} for kind in TRAINED},
    **{f"init {init}": {"init": init} for init in FIRST_VALUES if init != "zero"},
    "rank_stabilized": {"rank_stabilized": True},
}


@pytest.fixture(scope="module")
def base(tiny_sd1):
    return registry.load_base(tiny_sd1, device="cpu")


def train(base, method: str, folder: Path) -> Any:
    dataset = dataset_from_images([Image.new("RGB", (32, 32), c) for c in ("red", "green")], ["a zwx thing"] * 2, "two")
    settings = {"steps": 20, "learning_rate": 1e-2, "rank": 4, "alpha": 4, "warmup_steps": 2, "save_every": 16}
    recipe = Recipe.of(**settings, **METHODS[method])
    return train_adapter(base, dataset, recipe, seed=5, store=RunStore(folder), name=method)


@pytest.mark.parametrize("method", METHODS)
def test_twenty_steps_are_those_of_the_version_and_resume_to_the_same_bits(method: str, base, tmp_path: Path) -> None:
    killed = tmp_path / "killed"
    whole = killed_at(train(base, method, tmp_path / "whole"), state_saved(16), tmp_path / "whole", killed)
    version, kept = str(VERSIONS["run"]), json.loads(FILE.read_text())
    if os.environ.get("GOLDEN_UPDATE") and version not in kept.get(method, {}):
        kept.setdefault(method, {})[version] = [float(f"{loss:.7g}") for loss in whole.losses]
        FILE.write_text(json.dumps(kept, indent=1) + "\n")
    assert whole.losses == pytest.approx(kept[method][version], rel=2e-3, abs=2e-3)
    resumed = result(train(base, method, killed))
    assert resumed.resumed_at == 16 and resumed.losses == whole.losses
    found, expected = (read_file(made.adapter.path)[0] for made in (resumed, whole))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in expected.items())

"""Killed ten times at random moments, a training with any kind of adapter, first values or optimizer gives the same
bits, at least once from a state in its middle."""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.adapters.kinds import TRAINED
from lora_workbench.engine.adapters.kinds.first_values import FIRST_VALUES
from lora_workbench.engine.training.optimizers import OPTIMIZERS
from nursery import Ended, Moment, Nursery
from PIL import Image
from safetensors.torch import load_file
from workspace import in_api_format

pytestmark = [
    pytest.mark.kills,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL"),
]

STATES = "run-store/runs"
STEPS = 8
USUAL = f"rank = 4; alpha = 4; steps = {STEPS}; save_every = 2"
OWN = {
    "adamw_8bit": "learning_rate = 0.01; optimizer_settings = min_8bit_size = 16",
    "prodigy": "learning_rate = 1; optimizer_settings = d0 = 0.001",
}
"""Settings that optimizers need to do at tiny sizes what they do at usual ones."""
METHODS = {
    **{f"kind {kind.name}": f"kind = {kind.name}; learning_rate = 0.01" for kind in TRAINED},
    **{f"init {init}": f"init = {init}; learning_rate = 0.01" for init in FIRST_VALUES if init != "zero"},
    **{
        f"optimizer {name}": f"optimizer = {name}; {OWN.get(name, 'learning_rate = 0.01')}"
        for name in OPTIMIZERS.names()
    },
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for color in ("red", "green"):
        Image.new("RGB", (32, 32), color).save(folder / f"{color}.png")
    return folder


def workflow(folder: Path, pictures: Path, base: Path, method: str) -> Path:
    """A graph that trains eight steps and keeps its state every second one."""
    nodes = {
        "base": ("LW_LoadBase", {"base": str(base), "device": "cpu", "precision": "fp32"}),
        "data": ("LW_LoadDataset", {"path": str(pictures), "on_unreadable": "refuse"}),
        "captions": ("LW_TriggerCaptions", {
            "dataset": ["data", 0], "trigger_word": "zwx", "class_word": "thing", "template": "a {trigger} {class}",
            "mode": "replace",
        }),
        "recipe": ("LW_Recipe", {
            "dataset": ["captions", 0], "base": ["base", 0], "goal": "subject", "quality": "draft",
            "settings": f"{USUAL}; {METHODS[method]}",
        }),
        "train": ("LW_TrainLoRA", {
            "base": ["base", 0], "dataset": ["captions", 0], "recipe": ["recipe", 0], "seed": 3, "name": "zwx",
        }),
        "adapter": ("LW_SaveAdapter", {"adapter": ["train", 0], "filename": "zwx", "dtype": "float32"}),
    }  # fmt: skip
    (folder / "workflow.json").write_text(json.dumps(in_api_format(nodes)))
    return folder / "workflow.json"


@pytest.mark.parametrize("method", METHODS)
def test_ten_kills_change_no_bit(method: str, runs: Nursery, pictures: Path, tiny_sd1: Path, tmp_path: Path) -> None:
    graph, output = workflow(tmp_path, pictures, tiny_sd1, method), tmp_path / "killed"
    rng, killed, went_on = random.Random(method), 0, False
    undisturbed = runs.run(graph, tmp_path / "whole", [STATES])
    assert undisturbed.status == 0, undisturbed.said
    expected = saved(tmp_path / "whole")
    while killed < 10 or not went_on:
        in_time = Moment(seconds=rng.uniform(0, undisturbed.seconds))
        in_files = Moment(STATES, rng.randint(1, undisturbed.operations[STATES]))
        ended = runs.run(graph, output, [STATES], rng.choice([in_time, in_files]))
        assert ended.status in (0, -9), ended.said
        killed += ended.status == -9
        if ended.status == 0:
            assert saved(output) == expected
            went_on |= 0 < (told(ended)["reports"]["train"]["resumed_at"] or 0) < STEPS
            shutil.rmtree(output)
    ended = runs.run(graph, output, [STATES])
    assert ended.status == 0, ended.said
    assert saved(output) == expected


def told(ended: Ended) -> dict[str, Any]:
    """The result that a run printed."""
    [line] = [line for line in ended.said.splitlines() if line.startswith('{"status"')]
    return json.loads(line)


def saved(output: Path) -> dict[str, bytes]:
    """Name -> bytes of each tensor of the adapter."""
    [file] = output.glob("loras/*.safetensors")
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(file).items()}

"""Killed twenty times at random moments, trainings with snapshots and measures end with the same bits, figures and
verdict; those with an early stop at the same step."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.evaluation.figures import Figures
from lora_workbench.engine.evaluation.verdict import verdict
from nursery import Nursery, kill_ten_times
from PIL import Image
from safetensors.torch import load_file
from tiny import save_tiny_sd1
from workspace import changed, in_api_format, training

pytestmark = [
    pytest.mark.kills,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL"),
]

RUNS = "run-store/runs"
SETTINGS = (
    "rank = 2; alpha = 2; steps = 24; batch_size = 2; learning_rate = 0.05; schedule = constant; warmup_steps = 0; "
    "save_every = 5; snapshot_every = 2; measures = true; held_out_pictures = 1.png; 4.png"
)
"""The rate is so high that nothing is learned any more after some steps."""


def workflow(folder: Path, early_stop: int) -> Path:
    """A graph that trains, picks a snapshot by the verdict, and saves both."""
    save_tiny_sd1(folder / "base")
    (folder / "pictures").mkdir()
    for number in range(7):
        color = (36 * number, 255 - 36 * number, 90 * (number % 3))
        Image.new("RGB", (32, 32), color).save(folder / "pictures" / f"{number}.png")
    settings = f"{SETTINGS}; early_stop = {early_stop}"
    graph = changed(training("pictures", "base", "refuse"), recipe__settings=settings, save__filename="last")
    graph |= in_api_format({
        "pick": ("LW_PickSnapshot", {"snapshots": ["train", 4], "by": "verdict", "step": 1}),
        "picked": ("LW_SaveAdapter", {"adapter": ["pick", 0], "filename": "picked", "dtype": "float32"}),
    })  # fmt: skip
    (folder / "workflow.json").write_text(json.dumps(graph))
    return folder / "workflow.json"


def saved(output: Path) -> dict[str, Any]:
    """The tensors of the saved adapters and of each snapshot, the figures, the verdict on them, and how it ended."""
    files = [*(output / "loras").iterdir(), *(output / RUNS).rglob("snapshots/*")]
    contents: dict[str, Any] = {
        path.relative_to(output).as_posix(): tensors(path) if path.suffix == ".safetensors" else path.read_bytes()
        for path in files
    }
    figures = [Figures.from_json(path.read_text()) for path in files if path.suffix == ".json"]
    assert all(figures)
    [record] = (output / RUNS).rglob("000024.json")
    ended = {name: json.loads(record.read_text())[name] for name in ("losses", "ended_early")}
    return contents | ended | {"verdict": verdict([own for own in figures if own])}


def tensors(path: Path) -> dict[str, bytes]:
    return {name: tensor.numpy().tobytes() for name, tensor in load_file(path).items()}


@pytest.mark.parametrize("early_stop", [0, 2], ids=["to its last step", "to its early end"])
def test_kills_change_neither_bits_nor_verdict(runs: Nursery, early_stop: int, tmp_path: Path) -> None:
    kill_ten_times(runs, workflow(tmp_path, early_stop), tmp_path, [RUNS], saved)
    assert bool(saved(tmp_path / "killed")["ended_early"]) == bool(early_stop)

"""Trainings that are stopped from outside, by Ctrl-C or by ``kill -9``, go on to the same bits.

Two interruptions by default, one of each; ``LW_INTERRUPTIONS=20`` makes it twenty.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from lora_workbench.cli.main import main
from lora_workbench.engine.training.state import TrainingState
from PIL import Image
from workspace import chosen

COUNT = int(os.environ.get("LW_INTERRUPTIONS", "2"))
STEPS, SAVE_EVERY = 60 * COUNT, 15


def write_workflow(folder: Path, base: Path) -> Path:
    """One training on three plain pictures, as an API-format workflow."""
    pictures = folder / "pictures"
    pictures.mkdir()
    for name, color in {"a": "red", "b": "green", "c": "blue"}.items():
        Image.new("RGB", (32, 32), color).save(pictures / f"{name}.png")
    nodes = {
        "1": ("LW_LoadDataset", {"path": str(pictures), "on_unreadable": "refuse"}),
        "2": ("LW_TriggerCaptions", {
            "dataset": ["1", 0], "trigger_word": "zwx", "class_word": "thing",
            "template": "a photo of {trigger} {class}", "mode": "replace",
        }),
        "3": ("LW_LoadBase", {"base": str(base), "device": "cpu", "precision": "fp32"}),
        "4": ("LW_Recipe", {
            "dataset": ["2", 0], "base": ["3", 0], **chosen(steps=STEPS, batch_size=2, save_every=SAVE_EVERY),
        }),
        "5": ("LW_TrainLoRA", {"base": ["3", 0], "dataset": ["2", 0], "recipe": ["4", 0], "seed": 3, "name": "zwx"}),
        "6": ("LW_SaveAdapter", {"adapter": ["5", 0], "filename": "zwx", "dtype": "float32"}),
    }  # fmt: skip
    path = folder / "workflow.json"
    path.write_text(json.dumps({i: {"class_type": kind, "inputs": inputs} for i, (kind, inputs) in nodes.items()}))
    return path


def start(workflow: Path, output: Path) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "lora_workbench.cli.main",
        "run",
        str(workflow),
        "--output",
        str(output),
        "--json",
    ]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(workflow: Path, output: Path, capsys: pytest.CaptureFixture[str]) -> dict:
    assert main(["run", str(workflow), "--output", str(output), "--json"]) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def state_of(output: Path) -> TrainingState | None:
    files = list(output.glob("run-store/runs/*/*.state.safetensors"))
    return TrainingState.load(files[0]) if files else None


@pytest.mark.kills
def test_interrupted_runs_end_in_the_same_bits(tiny_sd1: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    workflow = write_workflow(tmp_path, tiny_sd1)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    expected = finish(workflow, whole, capsys)
    rng = random.Random(0)
    reached = 0
    for number in range(COUNT):
        process = start(workflow, broken)
        wait_for_progress(process, broken, beyond=reached, extra=rng.uniform(0, 0.2))
        how = signal.SIGINT if number % 2 == 0 else signal.SIGKILL
        process.send_signal(how)
        process.communicate(timeout=60)
        assert process.returncode == (1 if how == signal.SIGINT else -signal.SIGKILL)
        state = state_of(broken)
        assert state is not None and reached <= state.step < STEPS
        assert len(state.losses) == state.step
        if how == signal.SIGKILL:
            assert state.step % SAVE_EVERY == 0 or state.step == reached
        reached = state.step
    result = finish(workflow, broken, capsys)
    assert result["reports"]["5"]["resumed_at"] == reached > 0
    assert Path(result["adapters"][0]).read_bytes()[-1000:] == Path(expected["adapters"][0]).read_bytes()[-1000:]
    ours, theirs = state_of(broken), state_of(whole)
    assert ours is not None and theirs is not None
    assert ours.losses == theirs.losses
    assert all((ours.values[key] == theirs.values[key]).all() for key in theirs.values)


def wait_for_progress(process: subprocess.Popen[str], output: Path, *, beyond: int, extra: float) -> None:
    """Wait until the run has saved a later state than before, and ``extra`` seconds more."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        state = state_of(output)
        if state is not None and state.step > beyond:
            time.sleep(extra)
            return
        time.sleep(0.1)
    raise AssertionError(f"no progress beyond step {beyond}: {process.communicate()}")

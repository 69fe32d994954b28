"""``lora-workbench plan``: what a workflow's trainings will take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lora_workbench.cli.main import main
from PIL import Image


def test_the_trainings_of_a_workflow_are_planned_and_not_run(root: Path, tmp_path: Path, capfd) -> None:
    workflow = root / "workflows" / "train-edit-adapter.json"
    assert main(["plan", str(workflow), "--no-trial", "--output", str(tmp_path), "--json"]) == 0
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    (plan,) = result["plans"].values()
    assert plan["fits"]
    assert plan["step_seconds"] is None
    assert plan["step_memory"] > 1e6
    assert not list(tmp_path.rglob("loras/*"))


def written(folder: Path, training: str, **inputs: Any) -> Path:
    """A workflow with one node that trains, and what it needs."""
    graph = {
        "base": {"class_type": "LW_LoadBase", "inputs": {"base": "demo_base", "device": "cpu", "precision": "auto"}},
        "pictures": {"class_type": "LW_LoadDataset", "inputs": {"path": str(pictures(folder / "set"))}},
        "recipe": {"class_type": "LW_Recipe", "inputs": {"dataset": ["pictures", 0], "base": ["base", 0]}},
        "train": {"class_type": training, "inputs": {"base": ["base", 0], "seed": 0, "name": "", **inputs}},
    }
    file = folder / "graph.json"
    file.write_text(json.dumps(graph))
    return file


def pictures(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for color in ("red", "navy"):
        Image.new("RGB", (64, 64), color).save(folder / f"{color}.png")
        (folder / f"{color}.txt").write_text(f"a {color} thing")
    return folder


def test_trainings_of_all_weights_and_of_sliders_are_planned_too(tmp_path: Path, capfd) -> None:
    links = {"dataset": ["pictures", 0], "recipe": ["recipe", 0], "learning_rate": 1e-4}
    prompts = {"positive": "a big thing", "negative": "a small thing", "neutral": "a thing", "preserve": ""}
    slider = {**prompts, "guidance": 0.7, "pictures": 2, "strip_prompts": "", "strip_weights": "-1, 1"}
    for training, inputs in (("LW_TrainDreamBooth", links), ("LW_TrainSlider", slider)):
        workflow = written(tmp_path / training, training, **inputs)
        assert main(["plan", str(workflow), "--no-trial", "--output", str(tmp_path / "out"), "--json"]) == 0
        (plan,) = json.loads(capfd.readouterr().out.splitlines()[-1])["plans"].values()
        assert plan["fits"] and plan["step_memory"] > 1e6
        assert ("all_weights" in plan) == (training == "LW_TrainDreamBooth")
    assert not [*(tmp_path / "out").rglob("*.png")]


def test_a_workflow_without_training_is_refused(root: Path, tmp_path: Path, capfd) -> None:
    workflow = root / "workflows" / "prepare-a-dataset.json"
    assert main(["plan", str(workflow), "--output", str(tmp_path)]) == 2
    assert "nothing to plan" in capfd.readouterr().err


def test_a_missing_workflow_is_named_in_json_too(tmp_path: Path, capfd) -> None:
    assert main(["plan", str(tmp_path / "missing.json"), "--output", str(tmp_path), "--json"]) == 2
    printed = capfd.readouterr()
    assert "missing.json" in printed.err
    assert json.loads(printed.out.splitlines()[-1])["status"] == "error"

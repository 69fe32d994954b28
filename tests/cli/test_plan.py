"""``lora-workbench plan``: what a workflow's trainings will take."""

from __future__ import annotations

import json
from pathlib import Path

from lora_workbench.cli.main import main


def test_the_trainings_of_a_workflow_are_planned_and_not_run(root: Path, tmp_path: Path, capfd) -> None:
    workflow = root / "workflows" / "train-edit-adapter.json"
    assert main(["plan", str(workflow), "--no-trial", "--output", str(tmp_path), "--json"]) == 0
    result = json.loads(capfd.readouterr().out.splitlines()[-1])
    (plan,) = result["plans"].values()
    assert plan["fits"]
    assert plan["step_seconds"] is None
    assert plan["step_memory"] > 1e6
    assert not list(tmp_path.rglob("loras/*"))


def test_a_workflow_without_training_is_refused(root: Path, tmp_path: Path, capfd) -> None:
    workflow = root / "workflows" / "prepare-a-dataset.json"
    assert main(["plan", str(workflow), "--output", str(tmp_path)]) == 2
    assert "nothing to plan" in capfd.readouterr().err


def test_a_missing_workflow_is_named_in_json_too(tmp_path: Path, capfd) -> None:
    assert main(["plan", str(tmp_path / "missing.json"), "--output", str(tmp_path), "--json"]) == 2
    printed = capfd.readouterr()
    assert "missing.json" in printed.err
    assert json.loads(printed.out.splitlines()[-1])["status"] == "error"

"""A training is measured alike on ComfyUI's models and without ComfyUI: the same figures, and the same verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from comfyui_graphs import demo_training
from comfyui_server import Server
from lora_workbench.cli import main as cli
from lora_workbench.engine.evaluation.figures import Figures
from lora_workbench.engine.runs.listing import find_runs
from lora_workbench.engine.runs.store import RunStore
from workspace import in_api_format

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

NAME = "judged fox"
TRAINING: dict[str, Any] = {
    "steps": 18, "batch_size": 2, "snapshot_every": 3, "measures": "true", "held_out": 0.25, "schedule": "constant",
    "early_stop": 2, "seed": 41, "name": NAME,
}  # fmt: skip


def figures(store: RunStore) -> dict[int, Figures]:
    """Step -> what was measured."""
    [run] = find_runs(store, NAME)
    found = (Figures.load(file.path) for file in store.all_figures(run.lineage))
    return {own.step: own for own in found if own}


def test_figures_and_verdict_agree(server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    graph = demo_training(**TRAINING)
    native = server.run(graph).report("train")
    base = in_api_format({"base": ("LW_LoadBase", {"base": "demo_base", "device": "cpu", "precision": "fp32"})})
    del graph["demo"]
    for name in ("recipe", "train"):
        graph[name]["inputs"]["base"] = ["base", 0]
    file = tmp_path / "headless.json"
    file.write_text(json.dumps(graph | base))
    capsys.readouterr()
    assert cli.main(["run", str(file), "--output", str(tmp_path / "out"), "--json"]) == 0
    headless = json.loads(capsys.readouterr().out.splitlines()[-1])["reports"]["train"]
    ours, theirs = figures(RunStore(server.store)), figures(RunStore(tmp_path / "out" / "run-store"))
    assert ours.keys() == theirs.keys() and len(ours) >= 3
    for step, own in ours.items():
        other = theirs[step]
        assert [picture.name for picture in own.pictures] == [picture.name for picture in other.pictures]
        for one, same in zip(own.pictures, other.pictures, strict=True):
            assert one.adapted == pytest.approx(same.adapted, rel=1e-3)
            assert one.base == pytest.approx(same.base, rel=1e-3)
        assert own.drift == pytest.approx(other.drift, rel=1e-2)
    for fact in ("best", "over_fit_since", "still_learning"):
        assert native["verdict"][fact] == headless["verdict"][fact]
    assert native["steps"] == headless["steps"]

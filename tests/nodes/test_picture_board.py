"""The board on the graph: its suspects are left out of the next training by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from workspace import Graph, Workspace, chosen, in_api_format, training

COUNT = 4


def board(workspace: Workspace, **values: Any) -> Graph:
    """A board of random pictures, whose suspects are left out and whose sheet is saved."""
    random = np.random.default_rng(3)
    for number in range(COUNT):
        pixels = Image.fromarray(random.integers(0, 255, (4, 4, 3), np.uint8)).resize((32, 32))
        pixels.save(workspace.pictures / f"{number}.png")
        (workspace.pictures / f"{number}.txt").write_text(f"a zwx thing {number}", encoding="utf-8")
    graph = training(workspace.pictures, workspace.base)
    kept = {name: graph[name] for name in ("data", "captions", "base", "recipe")}
    kept["recipe"]["inputs"] |= chosen(steps=2, rank=2, batch_size=8)
    more = in_api_format({
        "board": ("LW_PictureBoard", {
            "base": ["base", 0], "dataset": ["captions", 0], "recipe": ["recipe", 0], "folds": 2, "steps": 0,
            "seed": 1, "columns": 4, **values,
        }),
        "curate": ("LW_CurateDataset", {
            "dataset": ["board", 0], "goal": "subject", "drop": ["board", 2],
            **dict.fromkeys((
                "drop_blurred", "drop_badly_exposed", "drop_small", "drop_compressed", "drop_noisy", "drop_borders",
                "drop_duplicates", "drop_odd", "drop_long",
            ), False),
        }),
        "kept": ("LW_PreviewDataset", {"dataset": ["curate", 0], "columns": 4}),
        "suspects": ("LW_PreviewDataset", {"dataset": ["board", 1], "columns": 4}),
        "sheet": ("LW_SaveImages", {"images": ["board", 3], "filename_prefix": "board"}),
    })  # fmt: skip
    return kept | more


@pytest.fixture
def workspace(tmp_path: Path, tiny_sd1: Path) -> Workspace:
    return Workspace(tmp_path, tiny_sd1)


def ran(workspace: Workspace, graph: Graph, capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert workspace.run(graph) == 0
    return json.loads(capfd.readouterr().out.splitlines()[-1])["reports"]


def test_suspects_are_left_out_by_name(
    workspace: Workspace, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What counts as harm is lowered, so that trainings of two steps have suspects."""
    monkeypatch.setattr("lora_workbench.engine.evaluation.board.HARM", 0.0)
    told = ran(workspace, board(workspace), capfd)
    places = told["board"]["places"]
    assert sum(len(names) for names in places.values()) == COUNT + 3
    assert 0 < len(places["suspect"]) < COUNT + 3
    assert {own["name"]: own["reason"] for own in told["curate"]["dropped"]} == dict.fromkeys(
        places["suspect"], "named by hand"
    )
    assert [*workspace.output.rglob("board*.png")]


def test_too_few_pictures_are_refused(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    graph = board(workspace)
    for path in workspace.pictures.glob("[0-9]*"):
        path.unlink()
    assert workspace.run(graph) == 1
    assert "3 different pictures, too few to judge each by the others" in capfd.readouterr().err

"""What a user meets whose captions or captioner are wrong: one clear error through the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from workspace import Graph, Workspace, in_api_format

FAILED, REFUSED = 1, 2
EDITS = {
    "find": "", "replace_with": "", "regex": False, "remove": "", "add": "", "prefix": "", "suffix": "",
    "shuffle": False, "keep": 1, "seed": 0, "overrides": "",
}  # fmt: skip
DESCRIBING = {
    "overwrite": True, "prompt": "", "max_tokens": 4, "threshold": 0.35, "character_threshold": 0.85, "device": "cpu",
    "precision": "fp32",
}  # fmt: skip


def shown(workspace: Workspace, node: str, **values: Any) -> Graph:
    """A data set that goes through one node of captions and is previewed."""
    return in_api_format({
        "data": ("LW_LoadDataset", {"path": str(workspace.pictures), "on_unreadable": "skip"}),
        "captions": (node, {"dataset": ["data", 0], **values}),
        "preview": ("LW_PreviewDataset", {"dataset": ["captions", 0], "columns": 3}),
    })  # fmt: skip


def refused(workspace: Workspace, graph: Graph, capfd: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Exit status, and the error that is told last."""
    before = workspace.files()
    status = workspace.run(graph)
    out, errors = capfd.readouterr()
    after = workspace.files()
    problem = json.loads(out.splitlines()[-1])["error"]
    assert {path: after.get(path) for path in before} == before
    assert "Traceback" not in errors
    assert "What to do: " in problem
    return status, problem


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"find": "(", "regex": True}, "The pattern '(' with the replacement '' can't be used: missing )"),
        ({"find": "a", "replace_with": r"\2", "regex": True}, "invalid group reference"),
        ({"overrides": "gone.png: a fox"}, "'gone.png' matches no picture"),
        ({"overrides": "a fox"}, "no colon in 'a fox'"),
    ],
)
def test_edits(values: dict[str, Any], said: str, workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    status, problem = refused(workspace, shown(workspace, "LW_EditCaptions", **{**EDITS, **values}), capfd)
    assert status == FAILED
    assert problem.startswith("node captions (LW_EditCaptions): ")
    assert said in problem


def test_captioners(workspace: Workspace, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    def described(folder: Path | str) -> tuple[int, str]:
        return refused(workspace, shown(workspace, "LW_CaptionDataset", captioner=str(folder), **DESCRIBING), capfd)

    status, problem = described("gone")
    assert (status, "No captioner at 'gone'" in problem) == (REFUSED, True)
    assert described("../../etc")[0] == REFUSED
    status, problem = described(tmp_path)
    assert (status, "is not a captioner of a known kind; it contains: nothing" in problem) == (FAILED, True)
    (tmp_path / "config.json").write_text('{"model_type": "blip"}')
    status, problem = described(tmp_path)
    assert (status, "can't be loaded" in problem) == (FAILED, True)


def test_captions_that_are_too_few(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    graph = shown(workspace, "LW_CaptionsFromText", captions="one\ntwo", keep_existing=False)
    status, problem = refused(workspace, graph, capfd)
    assert status == FAILED
    assert "Got 2 captions for the 3 pictures" in problem

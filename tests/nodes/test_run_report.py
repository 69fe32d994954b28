"""The report of a run from a graph and from the shell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lora_workbench.cli import main as cli
from workspace import Graph, Workspace, changed, in_api_format, training


@pytest.fixture
def graph(workspace: Workspace, tiny_sd1: Path) -> Graph:
    trained = training(workspace.pictures, tiny_sd1)
    sampled = trained["recipe"]["inputs"]["settings"] + "\nsample_every = 1\nsample_prompts = a zwx thing"
    inputs = {"adapter": ["train", 0], "filename": "", "dataset": ["captions", 0]}
    report = in_api_format({"report": ("LW_RunReport", inputs)})
    return changed(trained, recipe__settings=sampled, train__seed=5) | report


def test_a_graph_writes_it_once(workspace: Workspace, graph: Graph, capsys: pytest.CaptureFixture[str]) -> None:
    assert workspace.run(graph) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])["reports"]["report"]
    assert (told["path"], told["steps"], told["pictures"]) == ("reports/zwx.html", 2, 3)
    assert told["sample_steps"] == [1, 2]
    text = (workspace.output / "reports" / "zwx.html").read_text(encoding="utf-8")
    assert text.count("<img") == 3 + 2 and str(workspace.output.parent) not in text
    assert workspace.run(changed(graph, report__filename="all/zwx.html")) == 0
    assert workspace.run(graph) == 0
    reports = workspace.output / "reports"
    assert sorted(path.relative_to(reports).as_posix() for path in reports.rglob("*.html")) == [
        "all/zwx.html",
        "zwx.html",
    ]


def test_the_shell_writes_the_same(workspace: Workspace, graph: Graph, capsys: pytest.CaptureFixture[str]) -> None:
    assert workspace.run(changed(graph, save__filename="shell")) == 0
    capsys.readouterr()
    adapter = workspace.output / "loras" / "shell.safetensors"
    assert cli.main(["report", str(adapter), "--dataset", str(workspace.pictures), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["path"] == str(adapter.with_suffix(".html")) and told["sample_steps"] == [1, 2]
    made = adapter.with_suffix(".html").read_text(encoding="utf-8")
    assert made.count("<img") == 3 + 2
    elsewhere = workspace.output.parent / "page.html"
    assert cli.main(["report", str(adapter), "--output", str(elsewhere)]) == 0
    assert capsys.readouterr().out.endswith(f"saved: {elsewhere}\n")
    assert elsewhere.read_text(encoding="utf-8").count("<img") == 2


def test_a_file_of_another_program_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch
    from safetensors.torch import save_file

    tensors = {
        f"lora_unet_mid_block_attentions_0_proj_in.lora_{part}.weight": torch.ones(2, 2) for part in ("up", "down")
    }
    save_file(tensors, tmp_path / "other.safetensors")
    assert cli.main(["report", str(tmp_path / "other.safetensors")]) == 1
    assert "trained by LoRA Workbench" in capsys.readouterr().err

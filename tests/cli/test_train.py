"""``lora-workbench train``: the documented example, and the same run as a graph with the same values."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lora_workbench.cli.main import main
from workspace import Workspace, changed, chosen, training

SHORT = ("recipe.steps=2", "recipe.gradient_accumulation=1", "recipe.sample_every=2", "regularization.count=2")


def told(capsys: pytest.CaptureFixture[str]) -> dict:
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_the_example_trains_the_demo_base(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    sets = [part for value in (*SHORT, "regularization.steps=1") for part in ("--set", value)]
    example = str(root / "docs" / "run.example.toml")
    assert main(["train", example, "--output", str(tmp_path), "--json", *sets]) == 0
    result = told(capsys)
    assert result["status"] == "ok" and result["cached_nodes"] == 0
    (adapter,), (picture,) = result["adapters"], result["images"]
    assert adapter == str(tmp_path / "loras" / "fox.safetensors") and Path(adapter).is_file()
    assert picture == str(tmp_path / "samples" / "fox" / "000002_01.png") and Path(picture).is_file()
    assert result["reports"]["train"]["steps"] == 2 and result["reports"]["train"]["trigger"] == "ohwx fox"


@pytest.fixture
def file(tmp_path: Path, workspace: Workspace) -> Path:
    """The training of the workspace's graph."""
    path = tmp_path / "run.toml"
    path.write_text(
        'name = "zwx"\nseed = 1\n'
        f'[base]\npath = {json.dumps(str(workspace.base))}\ndevice = "cpu"\nprecision = "fp32"\n'
        f"[dataset]\npath = {json.dumps(str(workspace.pictures))}\n"
        '[trigger]\nword = "zwx"\nclass_word = "thing"\ntemplate = "a {trigger} {class}"\n'
        "[recipe]\nsteps = 2\nadapter.rank = 2\n[save]\ndtype = 'float32'\n",
        encoding="utf-8",
    )
    return path


def test_it_finds_what_the_same_graph_has_trained(file: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]):
    assert main(["train", str(file), "--output", str(workspace.output), "--json"]) == 0
    result = told(capsys)
    assert result["cached_nodes"] == 1
    assert result["adapters"] == [str(workspace.output / "loras" / "zwx.safetensors")], "no second file"


def test_a_graph_finds_what_it_has_trained(file: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]):
    assert main(["train", str(file), "--output", str(workspace.output), "--set", "recipe.rank=3"]) == 0
    capsys.readouterr()
    assert workspace.run(changed(training(workspace.pictures, workspace.base),
                                 recipe__settings=chosen(steps=2, rank=3)["settings"])) == 0  # fmt: skip
    assert told(capsys)["reports"]["train"]["cached"]


def test_a_rate_is_found_for_a_file_and_shown_by_a_graph(
    file: Path, workspace: Workspace, capsys: pytest.CaptureFixture[str]
):
    assert (
        main(["train", str(file), "--output", str(workspace.output), "--json", "--set", "recipe.learning_rate=auto"])
        == 0
    )
    captured = capsys.readouterr()
    report = json.loads(captured.out.splitlines()[-1])["reports"]["train"]
    rate = report["rate_search"]["learning_rate"]
    assert f"learning rate {rate:g}, found by" in captured.err
    graph = training(workspace.pictures, workspace.base)
    plots = {"inputs": {"filename_prefix": "plots/zwx", "images": ["train", 1]}, "class_type": "LW_SaveImages"}
    chosen_in_graph = chosen(steps=2, rank=2, learning_rate="auto")["settings"]
    assert workspace.run(changed(graph | {"plots": plots}, recipe__settings=chosen_in_graph)) == 0
    result = told(capsys)
    assert result["reports"]["train"]["cached"] and result["reports"]["train"]["rate_search"] == report["rate_search"]
    assert result["reports"]["recipe"]["settings"]["rate_search"] == "range_test"
    assert len([path for path in result["images"] if "plots" in path]) == 2, "the losses, and the search"


def test_a_wrong_file_is_refused_as_bad_usage(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", str(file), "--output", str(tmp_path), "--json", "--set", "recipe.rnak=3"]) == 2
    captured = capsys.readouterr()
    assert "[recipe] rnak: unknown; did you mean rank?" in captured.err
    assert "did you mean rank?" in json.loads(captured.out)["error"]
    assert main(["train"]) == 2


def test_a_training_that_fails_says_why(file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["train", str(file), "--output", str(tmp_path), "--json", "--set", "dataset.path=nothing here"]) == 1
    assert "No data set at" in told(capsys)["error"]


def test_the_schema_is_printed(capsys: pytest.CaptureFixture[str]):
    assert main(["train", "--schema"]) == 0
    assert json.loads(capsys.readouterr().out)["required"] == ["dataset"]


def test_other_commands_refuse_launchers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(["families"]) == 2
    assert "each of these would do all of it" in capsys.readouterr().err


def test_a_process_that_does_not_report_waits_for_the_one_that_does(
    file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Or torchrun would end that one with it, before it could say what is wrong."""
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    file.write_text(file.read_text(encoding="utf-8") + "rnak = 2\n", encoding="utf-8")
    assert main(["train", str(file), "--json"]) == 2 and not waited
    assert "rnak" in told(capsys)["error"]
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "1")
    assert main(["train", str(file), "--json"]) == 2
    assert waited == [pytest.approx(20, abs=15)] and capsys.readouterr() == ("", "")

"""``lora-workbench workflows``, and running what it lists by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lora_workbench.cli import main as cli
from lora_workbench.engine.core.errors import WorkflowError
from lora_workbench.headless import packaged


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_all_are_listed_with_where_they_run(root: Path, capsys: pytest.CaptureFixture[str]):
    assert cli.main(["workflows", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in listed] == sorted(path.stem for path in (root / "workflows").glob("*.json"))
    assert all(Path(each["path"]).is_file() for each in listed)
    by_name = {each["name"]: each for each in listed}
    assert by_name["quickstart"]["title"] == "From two folders of pictures to a stack of two adapters"
    assert not by_name["quickstart"]["needs_comfyui"]
    assert by_name["quickstart-in-comfyui"]["needs_comfyui"]


def test_the_list_is_for_people_too(capsys: pytest.CaptureFixture[str]):
    assert cli.main(["workflows"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.split() == ["weigh-two-adapters", "Weigh", "two", "adapters"] for line in lines)
    assert any(line.startswith("apply-a-stack") and "only in ComfyUI" in line for line in lines)


def test_one_is_read_by_its_name_from_any_folder(capsys: pytest.CaptureFixture[str]):
    """This one is refused at once, because it is for ComfyUI; ``tests/test_installed.py`` runs the quickstart."""
    assert cli.main(["run", "apply-a-stack"]) == 2
    assert "a node of ComfyUI or of another extension" in capsys.readouterr().err


def test_a_file_goes_before_a_name(elsewhere: Path, root: Path):
    assert packaged.find(Path("quickstart")) == packaged.WORKFLOWS / "quickstart.json"
    (elsewhere / "quickstart").mkdir()
    assert packaged.find(Path("quickstart")) == packaged.WORKFLOWS / "quickstart.json"
    (elsewhere / "campaign").write_text("{}", encoding="utf-8")
    assert packaged.find(Path("campaign")) == Path("campaign")


@pytest.mark.parametrize("given", ["quikstart", "workflows/quickstart.json", "quickstart.json"])
def test_what_was_meant_is_said(given: str):
    with pytest.raises(
        WorkflowError, match=r"no such file(.|\n)*`quickstart` comes with it(.|\n)*lora-workbench workflows"
    ):
        packaged.find(Path(given))


def test_what_nobody_knows_isnt_guessed():
    with pytest.raises(WorkflowError, match="What to do: check the path"):
        packaged.find(Path("zzz.json"))

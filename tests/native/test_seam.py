"""The names of ComfyUI's that we use: all are in the ComfyUI under test, and one that is missing is named."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from comfyui_process import run_inside
from lora_workbench.cli import main as cli
from lora_workbench.engine.core.errors import WorkbenchError
from lora_workbench.nodes.native import seam
from lora_workbench.nodes.native.seam import OLDEST

GONE = "comfy.samplers:calculate_sigmas"


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """The folder of a package tree that has every name of ComfyUI's but one."""
    folder = tmp_path / "ComfyUI"
    write(folder, "comfyui_version", '__version__ = "0.99.0"')
    write(folder, "comfy.cli_args", "from types import SimpleNamespace\nargs = SimpleNamespace(cpu=False)")
    for place, _ in seam.names():
        module, _, name = place.partition(":")
        made, *method = name.split(".")
        write(folder, module, f"{made} = globals().get({made!r}) or type({made!r}, (), {{}})")
        if method:
            write(folder, module, f"{made}.{method[0]} = None")
        if place == GONE:
            write(folder, module, f"del {made}")
    return folder


def write(folder: Path, module: str, line: str) -> None:
    """Add a line to a module, and make it unless it is there."""
    path = folder.joinpath(*module.split(".")).with_suffix(".py")
    path.parent.mkdir(parents=True, exist_ok=True)
    for parent in path.relative_to(folder).parents[:-1]:
        (folder / parent / "__init__.py").touch()
    with path.open("a", encoding="utf-8") as file:
        print(line, file=file)


def doctor(capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["doctor"]) == 0
    return capsys.readouterr().out


def test_the_doctor_names_what_is_missing(
    made_up: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COMFYUI_PATH", str(made_up))
    monkeypatch.setenv("COMFYUI_PYTHON", sys.executable)
    told = doctor(capsys)
    assert re.search(rf"its version +0\.99\.0 \(supported: {re.escape(OLDEST)} or newer\)", told)
    assert re.findall(r"its names +(.*)", told) == [f"{GONE} is missing, which is needed to generate pictures"]


def test_the_doctor_says_why_it_could_not_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder_paths.py").touch()
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    monkeypatch.setenv("COMFYUI_PYTHON", sys.executable)
    assert re.search(r"its names +not checked: .*No module named 'comfy'", doctor(capsys))


def test_the_doctor_survives_a_python_that_says_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder_paths.py").touch()
    silent = tmp_path / "python"
    silent.write_text("#!/bin/sh\necho >&2\nexit 3\n")
    silent.chmod(0o755)
    monkeypatch.setenv("COMFYUI_PATH", str(tmp_path))
    monkeypatch.setenv("COMFYUI_PYTHON", str(silent))
    assert re.search(r"its names +not checked: .*exit status 3", doctor(capsys))


def test_a_missing_name_is_an_error_only_where_it_is_used(made_up: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(made_up)
    before = set(sys.modules)
    try:
        assert seam.COMFY.process_conds.__name__ == "process_conds"
        with pytest.raises(WorkbenchError, match=rf"ComfyUI 0\.99\.0 has no {GONE}.*to generate pictures") as caught:
            _ = seam.COMFY.calculate_sigmas
        assert f"ComfyUI {OLDEST} or newer" in str(caught.value)
    finally:
        for name in set(sys.modules) - before:
            del sys.modules[name]


def test_the_core_path_touches_no_name_of_the_demo(root: Path) -> None:
    users = {path.name for path in (root / "nodes").rglob("*.py") if re.search(r"\bDEMO\b", path.read_text("utf-8"))}
    assert users == {"seam.py", "demo.py"}


def test_every_word_about_versions_is_the_same(root: Path) -> None:
    """The oldest ComfyUI that is supported, where programs and people read it."""
    short = re.escape(OLDEST.removesuffix(".0"))
    for name, words in {
        "pyproject.toml": rf'requires-comfyui = ">={re.escape(OLDEST)}"',
        "README.md": rf"ComfyUI \({short} or newer\)",
        "CONTRIBUTING.md": rf"ComfyUI {short}\b",
        "docs/devices.md": rf"ComfyUI {re.escape(OLDEST)} on the CPU",
    }.items():
        assert re.search(words, (root / name).read_text(encoding="utf-8")), f"{name} should say {words}"


@pytest.mark.comfyui
def test_this_comfyui_has_every_name(tmp_path: Path) -> None:
    assert run_inside(Path(__file__).with_name("inside_seam.py"), "missing", folder=tmp_path) == []


@pytest.mark.comfyui
def test_the_doctor_finds_every_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = doctor(capsys)
    assert re.search(r"its names +all \d+ that we use exist", told), told

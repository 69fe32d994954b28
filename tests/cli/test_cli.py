"""The command line: exit status, the JSON line, and no heavy imports where they aren't needed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli import main as cli
from lora_workbench.cli import run as run_program
from lora_workbench.cli.run import INTERRUPTED
from lora_workbench.engine.core.events import Event, Progress
from lora_workbench.nodes.host import host, io


@pytest.fixture
def run(registry, monkeypatch, tmp_path, workflow_file, capfd):  # type: ignore[no-untyped-def]
    """Runs a workflow by the command line with ``--json``; gives exit status, JSON and standard error."""
    monkeypatch.setattr(run_program, "registry", lambda: registry)

    def command(data: Any, *more: str) -> tuple[int, dict[str, Any], str]:
        path = workflow_file(data)
        status = cli.main(["run", str(path), "--output", str(tmp_path / "out"), "--json", *more])
        printed = capfd.readouterr()
        return status, json.loads(printed.out.splitlines()[-1]), printed.err

    return command


SAVE = {
    "1": {"class_type": "T_Number", "inputs": {"value": 4}},
    "2": {"class_type": "T_Save", "inputs": {"number": ["1", 0], "name": "dog.safetensors"}},
}


def test_json_line_of_a_run_and_of_its_repetition(run, tmp_path, calls) -> None:
    status, result, progress = run(SAVE)
    assert status == 0
    assert result.pop("seconds") >= 0
    assert result == {
        "status": "ok",
        "adapters": [str(tmp_path / "out" / "dog.safetensors")],
        "images": [],
        "reports": {"2": {"number": 4}},
        "cached_nodes": 0,
        "notes": [],
    }
    assert "[2/2] Save" in progress
    status, result, progress = run(SAVE)
    assert (status, result["cached_nodes"], progress) == (0, 2, "")


def test_set(run, calls) -> None:
    assert run(SAVE, "--set", "1.value=9")[1]["reports"] == {"2": {"number": 9}}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"1": {"class_type": "T_Nubmer", "inputs": {}}}, "did you mean T_Number?"),
        ({**SAVE, "1": {"class_type": "T_Number", "inputs": {"value": "four"}}}, "expected a whole number"),
        ("no JSON", "is not a workflow"),
    ],
)
def test_workflow_that_cannot_be_run(run, data, words, calls) -> None:
    status, result, errors = run(data)
    assert status == 2
    assert result["status"] == "error"
    assert words in result["error"]
    assert words in errors
    assert calls == []


def test_missing_workflow(capsys, tmp_path) -> None:
    assert cli.main(["run", str(tmp_path / "gone.json")]) == 2
    assert "can't be read" in capsys.readouterr().err


def test_failing_node(run) -> None:
    status, result, errors = run({**SAVE, "3": {"class_type": "T_Fail", "inputs": {"number": 1}}})
    assert status == 1
    assert result["error"] == "node 3 (T_Fail): RuntimeError: out of luck"
    assert "Traceback" in errors


def test_node_that_the_user_can_mend_shows_no_traceback(run) -> None:
    status, result, errors = run({"3": {"class_type": "T_Fail", "inputs": {"number": 13}}})
    assert status == 1
    assert result["error"] == "node 3 (T_Fail): Thirteen.\nWhat to do: take another number."
    assert "Traceback" not in errors


class Count(io.ComfyNode):
    """Counts to five through the host, and goes on from where it stopped. Ctrl-C comes at three."""

    reached = 0

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema("T_Count", "Count", is_output_node=True)

    @classmethod
    def execute(cls) -> io.NodeOutput:
        def loop() -> Generator[Event, None, int]:
            while Count.reached < 5:
                Count.reached += 1
                if Count.reached == 3:
                    signal.raise_signal(signal.SIGINT)
                yield Progress(done=Count.reached, total=5, label="counting")
            return Count.reached

        return io.NodeOutput(ui={"lw_report": [{"counted": host().drive(loop())}]})


def test_interrupted_run_says_how_to_go_on(run, registry) -> None:
    registry["T_Count"] = Count
    data = {**SAVE, "3": {"class_type": "T_Count", "inputs": {}}}
    status, result, errors = run(data)
    assert status == 1
    assert Count.reached == 3
    assert result["error"] == INTERRUPTED
    assert result["reports"] == {"2": {"number": 4}}
    assert "press Ctrl-C again" in errors
    status, result, _ = run(data)
    assert (status, result["cached_nodes"]) == (0, 2)
    assert result["reports"] == {"2": {"number": 4, "cached": True}, "3": {"counted": 5}}


@pytest.mark.parametrize("arguments", [[], ["run"], ["fly"], ["run", "a.json", "--frob"]])
def test_bad_usage(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize("arguments", [["run", "--json"], ["run", "a.json", "--json", "--frob"], ["fly", "--json"]])
def test_bad_usage_is_json_too_where_json_is_asked_for(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit):
        cli.main(arguments)
    told = json.loads(capsys.readouterr().out)
    assert told["status"] == "error" and told["error"]


@pytest.mark.parametrize("output", ["taken", "taken/below", "x" * 300, "x/" * 2100, "/proc/nothing"])
def test_output_folders_that_cannot_be_are_told_in_words(output: str, registry, monkeypatch, tmp_path, capfd) -> None:
    monkeypatch.setattr(run_program, "registry", lambda: registry)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").touch()
    (tmp_path / "a.json").write_text(json.dumps(SAVE))
    assert cli.main(["run", "a.json", "--output", output, "--json"]) == 1
    told = capfd.readouterr()
    assert len(told.out.splitlines()) == 1
    assert json.loads(told.out)["error"]
    assert "Traceback" not in told.err


def test_what_is_not_used_is_told_before_the_run_and_in_the_result(run) -> None:
    status, result, errors = run({**SAVE, "3": {"class_type": "KSampler", "inputs": {}}})
    assert status == 0
    assert result["notes"] == [
        "left out, as they only run in ComfyUI and nothing that runs here needs them: node 3 (KSampler)"
    ]
    assert errors.startswith("Note: left out")


def test_inspecting_what_is_no_adapter(tmp_path, capsys) -> None:
    file = tmp_path / "bad.safetensors"
    file.write_bytes(b"not an adapter")
    assert cli.main(["adapters", "inspect", str(file)]) == 1
    assert "bad.safetensors" in capsys.readouterr().err


def test_list_names_also_damaged_adapters(tmp_path, capsys) -> None:
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / "bad.safetensors").write_bytes(b"not an adapter")
    assert cli.main(["adapters", "list", "--output", str(tmp_path), "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert {"name": "bad.safetensors", "bytes": 14, "trigger": ""}.items() <= entry.items()
    assert "can't be read" in entry["problem"]


def test_names_that_the_terminal_cannot_show_are_escaped(tmp_path) -> None:
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / "Füchse.safetensors").write_bytes(b"not an adapter")
    code = "from lora_workbench.cli.main import main; main()"
    command = [sys.executable, "-c", code, "adapters", "list", "--output", str(tmp_path)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "ascii"}
    printed = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=True)
    assert "F\\xfcchse.safetensors" in printed.stdout


def test_help_comes_at_once(tmp_path) -> None:
    """By the CPU time of a fresh process, the least of three: other work on the machine only ever adds to it."""
    code = "import time; begun = time.process_time()\n" + WITHOUT_TORCH.replace("sys.exit(main(sys.argv[1:]))", HELP)
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    seconds = [
        float(subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stderr)
        for _ in range(3)
    ]
    assert min(seconds) < 0.3


HELP = """
try:
    main(["--help"])
except SystemExit:
    print(time.process_time() - begun, file=sys.stderr)
"""
WITHOUT_TORCH = """
import sys
for name in ("torch", "diffusers", "peft", "transformers"):
    sys.modules[name] = None  # an import of it now fails
from lora_workbench.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def without_torch(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *arguments],
        capture_output=True, text=True, cwd=folder, env=environment, timeout=60, check=False,
    )  # fmt: skip


def test_nodes_help_and_bad_workflows_need_no_torch(tmp_path) -> None:
    listing = without_torch("nodes", "--json", folder=tmp_path)
    assert listing.returncode == 0, listing.stderr
    assert all(name.startswith("LW_") for name in json.loads(listing.stdout))
    assert without_torch("--help", folder=tmp_path).returncode == 0
    (tmp_path / "bad.json").write_text('{"1": {"class_type": "LW_Nothing", "inputs": {}}}')
    refused = without_torch("run", "bad.json", "--json", folder=tmp_path)
    assert refused.returncode == 2, refused.stderr
    assert "unknown node" in json.loads(refused.stdout)["error"]

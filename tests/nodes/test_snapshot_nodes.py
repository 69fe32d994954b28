"""Snapshots on the graph: picked, saved by step, and of a training that was stopped from the shell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.cli import main as cli
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.core.errors import AdapterError
from lora_workbench.nodes.host.headless import HeadlessHost
from workspace import Graph, Workspace, changed, chosen, in_another_process, in_api_format, training

SHORT = chosen(steps=6, rank=2, snapshot_every=2, schedule="constant", save_every=4)["settings"]

STEPS, STEP_TAKES = 80, 0.05
"""Together enough seconds to be asked to stop in between."""


def picking(workspace: Workspace, settings: str = SHORT, **values: Any) -> Graph:
    """A training whose snapshots are saved, and of which one is picked and saved."""
    graph = changed(training(workspace.pictures, workspace.base), recipe__settings=settings)
    more = in_api_format({
        "pick": ("LW_PickSnapshot", {"snapshots": ["train", 4], "by": "step", "step": 4}),
        "picked": ("LW_SaveAdapter", {"adapter": ["pick", 0], "filename": "", "dtype": "float32"}),
        "all": ("LW_SaveSnapshots", {
            "snapshots": ["train", 4], "filename": "kept/zwx", "steps": "", "dtype": "float32", "private": False,
        }),
    })  # fmt: skip
    return changed(graph | more, **values)


@pytest.fixture
def workspace(tmp_path: Path, tiny_sd1: Path) -> Workspace:
    return Workspace(tmp_path, tiny_sd1)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> tuple[Workspace, dict[str, Any]]:
    """(where a snapshot has been picked, the reports)."""
    workspace = Workspace(tmp_path_factory.mktemp("first"), tiny_sd1)
    return workspace, workspace.told(picking(workspace))["reports"]


@pytest.fixture
def trained(first: tuple[Workspace, dict[str, Any]], tmp_path: Path) -> Workspace:
    """The same, for one test alone."""
    return first[0].copied(tmp_path)


def test_one_is_picked_and_all_are_saved_by_step(first: tuple[Workspace, dict[str, Any]], trained: Workspace) -> None:
    (_, reports), workspace = first, trained
    loras = workspace.output / "loras"
    assert sorted(path.relative_to(loras).as_posix() for path in loras.rglob("*.safetensors")) == [
        "kept/zwx-000002.safetensors", "kept/zwx-000004.safetensors", "kept/zwx-000006.safetensors",
        "zwx-000004.safetensors", "zwx.safetensors",
    ]  # fmt: skip
    assert reports["train"]["snapshots"] == reports["pick"]["steps"] == [2, 4, 6]
    assert (reports["pick"]["name"], reports["pick"]["step"], reports["pick"]["stopped"]) == ("zwx-000004", 4, False)
    picked, kept = (load_adapter(loras / name) for name in ("zwx-000004.safetensors", "kept/zwx-000004.safetensors"))
    last, whole = (load_adapter(loras / name) for name in ("kept/zwx-000006.safetensors", "zwx.safetensors"))
    assert picked.content_hash == kept.content_hash != whole.content_hash == last.content_hash
    again = workspace.told(picking(workspace, pick__step=5, all__steps="2 6", all__private=True))
    assert again["reports"]["train"]["cached"], "another pick doesn't train"
    assert again["reports"]["pick"]["step"] == 4, "of two that are as near, the earlier one"
    paths = [f"loras/kept/zwx-{step:06d}_00002.safetensors" for step in (2, 6)]
    assert again["reports"]["all"]["paths"] == paths, "private files are others"
    assert "lw.dataset" not in load_adapter(loras / "kept" / "zwx-000002_00002.safetensors").metadata
    finished = workspace.told(picking(workspace, pick__by="last"))
    assert (finished["reports"]["pick"]["name"], finished["reports"]["pick"]["step"]) == ("zwx", 6)


def test_one_is_picked_by_the_verdict(workspace: Workspace) -> None:
    told = workspace.told(picking(workspace, f"{SHORT}; measures = true", pick__by="verdict"))["reports"]
    found = told["train"]["verdict"]
    assert found == told["pick"]["verdict"] and found["best"] == told["pick"]["step"]
    assert found["over_fit_since"] is None and "held_out" in " ".join(found["reasons"]), "no picture was held out"
    assert (workspace.output / "loras" / told["picked"]["path"]).name.startswith("zwx")


def test_without_measures_the_last_is_taken_and_told(trained: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    assert trained.run(picking(trained, pick__by="verdict")) == 0
    out, errors = capfd.readouterr()
    assert json.loads(out.splitlines()[-1])["reports"]["pick"]["step"] == 6
    assert "Nothing was measured, so this is the last one: set measures = true" in errors


@pytest.mark.parametrize(
    ("values", "status", "words"),
    [
        ({"pick__step": 7}, 1, "There is no step 7 of zwx.\nExpected: snapshots after step 2, 4, 6"),
        ({"all__steps": "2, 3"}, 1, "There is no snapshot after step 3 of zwx."),
        ({"all__steps": "two"}, 2, "'two' isn't a list of whole numbers."),
        ({"all__filename": "../zwx"}, 1, "can't be used as a file name"),
    ],
)
def test_what_there_is_not_is_refused(trained: Workspace, values: dict[str, Any], status: int, words: str) -> None:
    assert words in trained.told(picking(trained, **values), status)["error"]


def test_a_snapshot_that_is_gone_is_named(trained: Workspace) -> None:
    """As in ComfyUI, where the value outlives its file."""
    from lora_workbench.nodes.adapters.pick_snapshot import PickSnapshot

    [path] = trained.output.rglob("snapshots/000004-*")
    snapshots = _snapshots(trained)
    path.unlink()
    with pytest.raises(AdapterError, match="zwx-000004 after step 4 can't be read"):
        PickSnapshot.execute(snapshots, "step", 4)


def _snapshots(workspace: Workspace) -> Any:
    from lora_workbench.cli.nodes import registry
    from lora_workbench.headless.executor import Executor
    from lora_workbench.headless.reading import read_workflow
    from lora_workbench.nodes.host.headless import HeadlessHost

    executor = Executor(registry(), HeadlessHost(workspace.output, silent=True))
    executor.run(read_workflow(workspace.write(picking(workspace, pick__step=2)), registry()))
    outputs = [own for values in executor._memory.values() for own in values]
    (value,) = {value for own in outputs for value in own if type(value).__name__ == "Snapshots"}
    return value


def stoppable(workspace: Workspace) -> Graph:
    settings = chosen(steps=STEPS, rank=2, snapshot_every=STEPS // 2, save_every=10)["settings"]
    return picking(workspace, settings, pick__by="last")


SHELL = """
import sys, time
from pathlib import Path
from lora_workbench.cli.main import main
from lora_workbench.engine.runs.listing import listed_runs
from lora_workbench.engine.runs.store import RunStore
output = sys.argv[1]
store = RunStore(Path(output) / "run-store")
print("ready", flush=True)
while not any(run.done for run in listed_runs(store)):
    time.sleep(0.05)
sys.exit(main(["runs", "--output", output, "--json"]) or main(["runs", "stop", "zwx", "--output", output]))
"""
"""Waits until a training has kept its state, lists the runs and stops it."""
RUN = """
import sys
from lora_workbench.cli.main import main
sys.exit(main(["run", sys.argv[1], "--output", sys.argv[2], "--json"]))
"""


def test_a_training_that_is_stopped_from_the_shell(workspace: Workspace, capfd: pytest.CaptureFixture[str]) -> None:
    graph, output = stoppable(workspace), workspace.output
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    shell = subprocess.Popen(
        [sys.executable, "-c", SHELL, str(output)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert shell.stdout and shell.stdout.readline() == "ready\n"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HeadlessHost, "check_interruption", lambda _: time.sleep(STEP_TAKES))
        told = workspace.told(graph)
    listed, asked = shell.communicate(timeout=120)[0].splitlines()
    [run] = json.loads(listed)
    assert (run["name"], run["progress"], run["steps"]) == ("zwx", "running", STEPS)
    assert "zwx stops after its current step" in asked
    done = told["reports"]["train"]["steps"]
    assert told["reports"]["train"]["stopped"] and 10 <= done < STEPS
    assert f"Stopped at step {done} of {STEPS} on request; queue it again to train on." in capfd.readouterr().err
    stopped = load_adapter(output / "loras" / "zwx.safetensors")
    assert told["reports"]["pick"]["step"] == done and told["cached_nodes"] == 0
    assert cli.main(["runs", "show", "zwx", "--output", str(output)]) == 0
    assert f"{done} of {STEPS}, stopped" in capfd.readouterr().out
    assert cli.main(["runs", "stop", "zwx", "--output", str(output)]) == 1
    assert "zwx isn't in progress: it is stopped" in capfd.readouterr().err
    again = workspace.told(graph)
    assert (again["reports"]["train"]["resumed_at"], again["reports"]["train"]["steps"]) == (done, STEPS)
    (elsewhere := output.parent / "whole").mkdir()
    whole = Workspace(elsewhere, workspace.base)
    whole.told(stoppable(whole))
    once = load_adapter(whole.output / "loras" / "zwx.safetensors")
    assert Path(again["adapters"][0]).name == "zwx_00002.safetensors"
    assert load_adapter(again["adapters"][0]).content_hash == once.content_hash != stopped.content_hash
    assert workspace.told(graph)["cached_nodes"] == len(graph), "the finished run counts again"
    ended = in_another_process(RUN, str(workspace.write(graph)), str(output), folder=output)
    assert json.loads(ended.stdout)["cached_nodes"] == len(graph), "also for processes that have seen no stop"

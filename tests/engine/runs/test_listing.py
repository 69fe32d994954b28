"""The runs of a store by name and number: how far each is, and whether it is in progress."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from lora_workbench.cli import main as cli
from lora_workbench.engine.core.errors import ConfigError
from lora_workbench.engine.core.locks import Exclusive
from lora_workbench.engine.runs.about import About, note
from lora_workbench.engine.runs.inventory import Wish, prune
from lora_workbench.engine.runs.listing import find_runs, listed_runs
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.state import TrainingState
from workspace import Workspace, training

FOX, BELL = "abc1" * 16, "abc2" * 16


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    """A fox at step 30 of 50 with a snapshot after 20, and a bell that was stopped at step 7 of 10."""
    store = RunStore(tmp_path / "run-store")
    begin(store, FOX, "fox", 50)
    state(store, FOX, 50, 30)
    store.snapshot(FOX, 20, 50).parent.mkdir()
    store.snapshot(FOX, 20, 50).write_bytes(b"x" * 500)
    begin(store, BELL, "bell", 10, stopped_at=7)
    state(store, BELL, 10, 7)
    return store


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> Workspace:
    """Where one training has been, and no other test has trained."""
    workspace = Workspace(tmp_path_factory.mktemp("listing"), tiny_sd1)
    assert workspace.run(training(workspace.pictures, tiny_sd1)) == 0
    return workspace


def begin(store: RunStore, lineage: str, name: str, steps: int, stopped_at: int = 0) -> None:
    about = About(
        name=name, base="demo base", family="sd1", dataset=f"{name}s", pictures=3, steps=steps, seed=1,
        stopped_at=stopped_at,
    )  # fmt: skip
    note(store, lineage, about)


def state(store: RunStore, lineage: str, steps: int, done: int) -> None:
    TrainingState(step=done, losses=[0.5] * done, values={}, optimizer={}).save(store.state(lineage, steps))


def test_how_far_each_run_is(store: RunStore) -> None:
    runs = {run.name: run for run in listed_runs(store)}
    fox, bell = runs["fox"], runs["bell"]
    assert (fox.done, fox.steps, fox.progress, fox.snapshots) == (30, 50, "interrupted", (20,))
    assert (bell.done, bell.steps, bell.progress, bell.snapshots) == (7, 10, "stopped", ())
    assert (fox.base, fox.family, fox.dataset) == ("demo base", "sd1", "foxs")
    assert fox.bytes >= 500


def test_the_run_that_was_begun_last_is_the_one_in_progress(store: RunStore) -> None:
    begin(store, FOX, "fox", 80)
    os.utime(store.about(FOX, 50), (1, 1))
    lock = Exclusive(store.lock(FOX[:24]))
    list(lock.acquire("fox"))
    assert {run.steps: run.progress for run in find_runs(store, "fox")} == {50: "interrupted", 80: "running"}
    lock.release()
    assert [run.steps for run in find_runs(store, "fox")] == [50], "nothing of the other one was kept"


def test_a_run_is_found_by_its_name_or_the_begin_of_its_number(store: RunStore) -> None:
    assert find_runs(store, "fox") == find_runs(store, "abc1") == find_runs(store, FOX[:24])
    with pytest.raises(ConfigError, match=r"'abc' means 2 runs: abc\dabc\dabc\d \((fox|bell)\), "):
        find_runs(store, "abc")
    for unknown in ("", "cat"):
        with pytest.raises(ConfigError, match=r"There is no run (.|\n)*abc1abc1abc1 "):
            find_runs(store, unknown)


def test_what_is_said_of_a_run_goes_with_its_files(store: RunStore) -> None:
    prune(store, Wish(older_than=0), now=store.state(FOX, 50).stat().st_mtime + 100)
    assert listed_runs(store) == [] and not [*store.root.rglob("*")]


def test_the_shell_lists_and_shows_them(trained: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    place = ["--output", str(trained.output)]
    capsys.readouterr()
    assert cli.main(["runs", *place, "--json"]) == 0
    [run] = json.loads(capsys.readouterr().out)
    assert (run["name"], run["done"], run["steps"], run["progress"]) == ("zwx", 2, 2, "finished")
    assert cli.main(["runs", *place]) == 0
    titles, row = capsys.readouterr().out.splitlines()
    assert titles.split()[:2] == ["run", "name"] and row.startswith(f"{run['lineage'][:12]}  zwx")
    assert " 2/2 " in row and " finished " in row
    assert cli.main(["runs", "show", "zwx", *place]) == 0
    shown = capsys.readouterr().out
    assert "2 of 2, finished" in shown and "snapshots   none" in shown
    assert cli.main(["runs", "stop", "zwx", *place, "--json"]) == 1
    assert "zwx isn't in progress: it is finished." in json.loads(capsys.readouterr().out)["error"]
    assert cli.main(["runs", "show", "fox", *place]) == 1
    assert "There is no run 'fox'" in capsys.readouterr().err


def test_nothing_that_is_written_of_a_run_is_a_path(trained: Workspace) -> None:
    [path] = trained.output.rglob("*.run.json")
    assert not [value for value in json.loads(path.read_text()).values() if isinstance(value, str) and "/" in value]

"""``lora-workbench runs`` on a run that was measured: its verdict, its report in the browser, and its events."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from lora_workbench.cli import main as cli
from lora_workbench.engine.core.locks import Exclusive
from lora_workbench.engine.runs.about import About, note
from lora_workbench.engine.runs.inventory import Wish, prune
from lora_workbench.engine.runs.store import RunStore
from workspace import Workspace, changed, chosen, training


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory, tiny_sd1: Path) -> Workspace:
    """Where a training was measured at steps 2, 4 and 6."""
    workspace = Workspace(tmp_path_factory.mktemp("runs"), tiny_sd1)
    recipe = chosen(steps=6, rank=2, snapshot_every=2, measures="true")
    graph = changed(training(workspace.pictures, tiny_sd1), recipe__settings=recipe["settings"])
    assert workspace.run(graph) == 0
    return workspace


@pytest.fixture
def command(measured: Workspace, capsys: pytest.CaptureFixture[str]):
    """Runs ``lora-workbench runs``; gives exit status and standard output."""

    def start(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        status = cli.main(["runs", *arguments, "--output", str(measured.output)])
        return status, capsys.readouterr().out

    return start


def test_the_list_has_verdicts(command) -> None:
    status, told = command()
    titles, row = told.splitlines()
    assert status == 0 and titles.split()[-1] == "verdict" and " best " in row
    [run] = json.loads(command("--json")[1])
    assert run["verdict"]["best"] in (2, 4, 6) and f"best {run['verdict']['best']}" in row


def test_a_run_is_shown_with_the_reasons(command) -> None:
    told = command("show", "zwx")[1]
    assert "verdict     Best: step " in told and "over-fitting can't be told" in told


def test_the_report_is_written_and_opened(command, measured: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda address: not opened.append(address))
    for _ in range(2):
        status, told = command("open", "zwx", "--dataset", str(measured.pictures))
        assert status == 0
    [report] = measured.output.rglob("*.html")
    assert opened == [report.absolute().as_uri()] * 2 and told.splitlines()[-1] == str(report)
    assert "Best: step" in report.read_text(encoding="utf-8")
    assert json.loads(command("open", "zwx", "--json")[1])["path"] == str(report)
    assert len(opened) == 2, "with --json it is only told where it is"


def test_without_a_browser_it_is_said_where_the_report_is(command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webbrowser.open", lambda address: False)
    status, told = command("open", "zwx")
    assert status == 0 and told.splitlines()[-1].startswith("open it in a browser: ")


def test_events_get_a_folder_of_the_runs_name(command, tmp_path: Path) -> None:
    status, told = command("events", "zwx", "--to", str(tmp_path / "board"))
    [folder] = (tmp_path / "board").iterdir()
    assert status == 0 and folder.name.startswith("zwx-6-") and [*folder.iterdir()]
    assert told.splitlines() == [str(folder), f"to see them: tensorboard --logdir {tmp_path / 'board'}"]


def test_a_run_in_progress_is_asked_for_samples_and_a_snapshot(tmp_path: Path, capsys) -> None:
    store = RunStore(tmp_path / "run-store")
    about = About(name="fox", base="", family="sd1", dataset="foxes", pictures=3, steps=9, seed=1, sample_prompts=1)
    locks = [Exclusive(store.lock(lineage)) for lineage in ("f" * 24, "b" * 24)]
    note(store, "f" * 24, about)
    note(store, "b" * 24, replace(about, name="bell", sample_prompts=0))
    for lock in locks:
        list(lock.acquire("test"))
    try:
        place = ["--output", str(tmp_path)]
        assert cli.main(["runs", "sample", "fox", *place]) == 0
        assert capsys.readouterr().out == "fox draws its sample pictures after its current step.\n"
        assert cli.main(["runs", "snapshot", "bell", *place, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["status"] == "ok"
        assert cli.main(["runs", "sample", "bell", *place]) == 1
        assert "no sample prompts" in capsys.readouterr().err
        assert [path.parent.name[0] + path.name for path in store.root.rglob("s[an]*") if path.is_file()] in (
            ["fsample", "bsnapshot"], ["bsnapshot", "fsample"],
        )  # fmt: skip
    finally:
        for lock in locks:
            lock.release()


def test_a_report_goes_with_its_run(command, measured: Workspace) -> None:
    command("open", "zwx", "--json")
    store = RunStore(measured.output / "run-store")
    prune(store, Wish(older_than=-1, adapters=True))
    assert not [*store.root.rglob("runs/*")]

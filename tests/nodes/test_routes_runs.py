"""The list of runs, their reports, and how one is stopped."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from lora_workbench.engine.core.locks import Exclusive
from lora_workbench.engine.runs.following import run_name
from lora_workbench.engine.runs.listing import listed_runs
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.headless.running import running
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.routes.runs import report, runs, stop
from lora_workbench.nodes.routes.table import Asked
from workspace import Workspace


@pytest.fixture
def store(workspace: Workspace) -> Iterator[RunStore]:
    with running(host := HeadlessHost(workspace.output)):
        yield RunStore(host.store_root())


def test_runs_are_listed_in_parts(store: RunStore) -> None:
    there = listed_runs(store)
    told = json.loads(runs(Asked()).content)
    assert told["total"] == len(there) == len(told["runs"]) >= 1
    [first] = json.loads(runs(Asked({"count": "1"})).content)["runs"]
    assert first == told["runs"][0]
    assert (first["name"], first["progress"]) == (there[0].name, there[0].progress)
    assert json.loads(runs(Asked({"from": str(len(there))})).content)["runs"] == []


def test_a_report_is_shown_in_a_sandbox(store: RunStore) -> None:
    run = listed_runs(store)[0]
    name = run_name(run.lineage, run.steps)
    assert report(Asked({"run": name})).status == 404
    path = store.report(run.lineage, run.steps)
    path.write_text("<p>Report</p>", encoding="utf-8")
    shown = report(Asked({"run": name}))
    path.unlink()
    assert (shown.status, shown.content_type, shown.content) == (200, "text/html", b"<p>Report</p>")
    assert shown.headers["Content-Security-Policy"].startswith("sandbox")


@pytest.mark.parametrize("name", ["../../x-2", "", None, 7, "0123456789abcdef-2"])
def test_what_is_no_run_has_no_report_and_isnt_stopped(store: RunStore, name: object, tmp_path: Path) -> None:
    del store, tmp_path
    assert report(Asked({"run": str(name)})).status == 404
    assert json.loads(stop(Asked(body={"run": name})).content) == {"stopping": 0}


def test_only_a_run_in_progress_is_asked_to_stop(store: RunStore) -> None:
    run = listed_runs(store)[0]
    name, request = run_name(run.lineage, run.steps), store.request(run.lineage, "stop")
    assert json.loads(stop(Asked(body={"run": name})).content) == {"stopping": 0}
    lock = Exclusive(store.lock(run.lineage))
    for _ in lock.acquire("test"):
        pass
    try:
        in_progress = next(own for own in listed_runs(store) if own.progress == "running")
        name = run_name(in_progress.lineage, in_progress.steps)
        assert json.loads(stop(Asked(body={"run": name})).content) == {"stopping": 1}
        assert request.exists()
    finally:
        lock.release()
        request.unlink(missing_ok=True)

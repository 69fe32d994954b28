"""The list of runs, their reports, and how one is stopped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from lora_workbench.engine.core.locks import Exclusive
from lora_workbench.engine.runs.about import About, note
from lora_workbench.engine.runs.following import run_name
from lora_workbench.engine.runs.graphs import Graph, keep_graph
from lora_workbench.engine.runs.listing import listed_runs
from lora_workbench.engine.runs.store import RunStore
from lora_workbench.engine.training.state import TrainingState
from lora_workbench.headless.running import running
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.routes.runs import graph, report, runs, stop
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
    assert json.loads(runs(Asked({"run": first["run"]})).content)["runs"] == [first]
    assert json.loads(runs(Asked({"run": "../.."})).content)["total"] == 0


def test_a_curve_has_few_points(store: RunStore) -> None:
    lineage = "abc3" * 6
    note(store, lineage, About(name="long", base="", family="", dataset="", pictures=1, steps=5000, seed=1))
    losses = [1 - step / 5000 for step in range(3001)]
    TrainingState(step=3001, losses=losses, values={}, optimizer={}).save(store.state(lineage, 5000))
    [told] = json.loads(runs(Asked({"run": run_name(lineage, 5000)})).content)["runs"]
    assert (told["progress"], told["done"], len(told["curve"])) == ("interrupted", 3001, 64)
    assert told["curve"][-1][0] == 3001
    assert [loss for _, loss in told["curve"]] == sorted((loss for _, loss in told["curve"]), reverse=True)
    shutil.rmtree(store.folder(lineage))


def test_the_graph_of_a_run_is_there_before_it_has_a_result(store: RunStore) -> None:
    run = next(run for run in listed_runs(store) if store.graph(run.lineage, run.steps).exists())
    asked = Asked({"run": run_name(run.lineage, run.steps)})
    kept = json.loads(graph(asked).content)
    assert kept["prompt"], "which the run of a workflow has"
    store.graph(run.lineage, run.steps).unlink()
    assert json.loads(graph(asked).content) == kept, "of the adapter's header, as for runs from before graphs were kept"
    lineage = "abc4" * 6
    asked = Asked({"run": run_name(lineage, 10)})
    note(store, lineage, About(name="begun", base="", family="", dataset="", pictures=1, steps=10, seed=1))
    assert json.loads(graph(asked).content) == json.loads(graph(Asked({"run": "../x-1"})).content) == {}
    keep_graph(store, lineage, 10, Graph(workflow='{"nodes": [], "x": 1}'))
    keep_graph(store, lineage, 10, Graph())
    assert json.loads(graph(asked).content) == {"workflow": {"nodes": [], "x": 1}}
    shutil.rmtree(store.folder(lineage))


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

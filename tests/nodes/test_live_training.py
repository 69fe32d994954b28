"""What pages see of a training: while it goes on, by events, and from the run store at any time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from lora_workbench.engine.core.events import RunOpened, SnapshotSaved, StepDone
from lora_workbench.engine.runs.following import of_name, run_name
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.host.live import LiveReporter, live_run
from lora_workbench.nodes.routes.table import Asked
from lora_workbench.nodes.routes.training import sample, training
from workspace import Workspace, chosen
from workspace import training as graph_of_a_training

LINEAGE = "0123456789abcdef01234567"


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def step(number: int, steps: int = 100) -> StepDone:
    return StepDone(step=number, steps=steps, loss=1 / number, learning_rate=0.5, seconds=0.1)


def test_steps_are_told_at_most_four_times_a_second_and_none_is_left_out() -> None:
    told: list[dict[str, Any]] = []
    clock = Clock()
    report = LiveReporter(told.append, clock)
    report(RunOpened(lineage=LINEAGE, steps=100, done=40))
    for number in range(41, 101):
        clock.now += 0.1
        report(step(number))
    assert told[0] | {"learning_rate": 0, "rate": 0} == {
        "run": f"{LINEAGE}-100", "steps": 100, "first": 41, "losses": [], "opened": True, "learning_rate": 0, "rate": 0,
    }  # fmt: skip
    assert len(told) <= 2 + 60 * 0.1 * 4
    assert [loss for part in told for loss in part["losses"]] == [1 / number for number in range(41, 101)]
    places = [part["first"] for part in told[1:]]
    assert places[0] == 41
    assert all(told[at + 1]["first"] + len(told[at + 1]["losses"]) == later for at, later in enumerate(places[1:]))
    assert told[-1]["rate"] == pytest.approx(10)


def test_what_is_kept_is_told_at_once_and_nothing_before_a_run_is_open() -> None:
    told: list[dict[str, Any]] = []
    report = LiveReporter(told.append, Clock())
    report(step(1))
    assert told == []
    report(RunOpened(lineage=LINEAGE, steps=100, done=0))
    report(step(1))
    report(SnapshotSaved(step=1))
    assert told[-1]["kept"] and told[-1]["run"] == run_name(LINEAGE, 100)
    live = live_run(run_name(LINEAGE, 100))
    assert live is not None and live.facts()["losses"] == [1.0]


@pytest.mark.parametrize(
    "name", ["", "../x-3", "0123456789abcdef", "0123456789abcdef-", "0123456789ABCDEF-3", "x" * 99]
)
def test_other_names_are_of_no_run(name: str, host: HeadlessHost) -> None:
    del host
    assert of_name(name) is None
    assert training(Asked({"run": name})).status == sample(Asked({"run": name})).status == 404


def test_a_finished_run_is_shown_from_the_run_store(workspace: Workspace) -> None:
    from lora_workbench.headless.running import running

    settings = chosen(steps=4, rank=2, snapshot_every=2, sample_every=2, sample_prompts="a zwx thing")
    graph = graph_of_a_training(workspace.pictures, workspace.base)
    graph["recipe"]["inputs"].update(settings)
    graph["train"]["inputs"]["seed"] = 77  # a run of its own
    assert workspace.run(graph) == 0
    with running(HeadlessHost(workspace.output)):
        [about] = workspace.output.rglob("000004.run.json")
        run = f"{about.parent.name}-4"
        known = json.loads(training(Asked({"run": run})).content)
        assert known["finished"] and not known["running"] and known["name"] == "zwx" and known["run"] == run
        assert len(known["losses"]) == len(known["learning_rates"]) == known["steps"] == 4
        assert known["snapshots"][:1] == [2]
        assert [own["step"] for own in known["samples"]] == [2, 4]
        picture = sample(Asked({"run": run, "step": "2", "number": "1"}))
        assert (picture.status, picture.content_type, picture.content[8:12]) == (200, "image/webp", b"WEBP")
        assert sample(Asked({"run": run, "step": "2", "number": "2"})).status == 404
        assert training(Asked({"run": f"{about.parent.name}-5"})).status == 404

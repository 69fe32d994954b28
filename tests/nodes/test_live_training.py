"""What pages see of a training: while it goes on, by events, and from the run store at any time."""

from __future__ import annotations

import json
import os
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from lora_workbench.engine.core.events import Event, MemoryTaken, RunOpened, SnapshotSaved, StepDone
from lora_workbench.engine.core.locks import Exclusive
from lora_workbench.engine.data.loading import dataset_from_images
from lora_workbench.engine.models.contract import Backbone
from lora_workbench.engine.models.registry import load_base
from lora_workbench.engine.runs.about import About, note
from lora_workbench.engine.runs.following import of_name, run_name
from lora_workbench.engine.runs.train import train_adapter
from lora_workbench.engine.training.recipe import Recipe
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.host.live import LiveReporter, live_run
from lora_workbench.nodes.routes.runs import draw_samples, save_snapshot
from lora_workbench.nodes.routes.table import Asked, Route
from lora_workbench.nodes.routes.training import sample, training
from PIL import Image
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
    assert told[-1]["kept"] == "snapshot" and told[-1]["run"] == run_name(LINEAGE, 100)
    live = live_run(run_name(LINEAGE, 100))
    assert live is not None and live.since(0)["losses"] == [1.0]


def test_prior_loss_and_memory_are_told_with_the_steps() -> None:
    told: list[dict[str, Any]] = []
    clock = Clock()
    report = LiveReporter(told.append, clock)
    report(RunOpened(lineage=LINEAGE, steps=100, done=40))
    for number in (41, 42, 43):
        clock.now += 1
        report(MemoryTaken(bytes=number, planned=50))
        report(replace(step(number), parts={"subject": 0.3, "prior": 0.5 * number}))
    assert "prior" not in told[0] and "memory" not in told[0]
    assert [part["prior"] for part in told[1:]] == [[0.5 * number] for number in (41, 42, 43)]
    assert told[-1]["memory"] == {"taken": 43, "planned": 50}
    live = live_run(run_name(LINEAGE, 100))
    assert live is not None
    of_older_states = {"losses": [1.0] * 40, "prior": []}
    assert live.after(of_older_states)["prior"] == [None] * 40 + [0.5 * number for number in (41, 42, 43)]
    assert live.after({"losses": [1.0] * 45, "prior": [0.5] * 45})["prior"][38:42] == [0.5, 0.5, 20.5, 21.0]


@dataclass
class Watched:
    """A training in progress, as the host of its node hears of it."""

    events: Generator[Event, None, Any]
    told: list[dict[str, Any]] = field(default_factory=list)
    result: Any = None

    def __post_init__(self) -> None:
        self._report = LiveReporter(self.told.append)

    def up_to(self, last: int) -> None:
        """Take events up to the end of a step."""
        while True:
            try:
                event = next(self.events)
            except StopIteration as done:
                self.result = done.value
                return
            self._report(event)
            if isinstance(event, StepDone) and event.step == last:
                return

    @property
    def run(self) -> str:
        return self.told[0]["run"]

    def shown(self) -> dict[str, Any]:
        """What a page is told that asks."""
        answer = json.loads(training(Asked({"run": self.run})).content)
        assert "NaN" not in json.dumps(answer)
        return answer


@pytest.fixture(scope="module")
def base(quick_sd1: Path) -> Backbone:
    return load_base(quick_sd1, device="cpu", precision="fp32")


@pytest.fixture
def watched(base: Backbone, host: HeadlessHost, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """A training with class pictures and a sample prompt, whose memory is counted."""
    monkeypatch.setattr("lora_workbench.engine.runs.requests.EVERY_SECONDS", 0)
    dataset = dataset_from_images([Image.new("RGB", (32, 32), "red")], ["a zwx thing"], "red")
    prior = dataset_from_images([Image.new("RGB", (32, 32), "white")], ["a thing"], "class")
    recipe = Recipe.of(steps=6, learning_rate=1e-3, rank=2, alpha=2, checkpointing="none", sample_prompts=("a zwx",))
    events = train_adapter(
        base, dataset, recipe, seed=3, store=host.run_store(), name="zwx", regularization=prior
    )  # fmt: skip
    return Watched(events)


def test_what_is_asked_for_is_drawn_and_saved_and_shown(watched: Watched) -> None:
    watched.up_to(2)
    asked = Asked(body={"run": watched.run})
    assert watched.shown()["can_sample"] and not watched.shown()["samples"]
    assert [json.loads(act(asked).content) for act in (draw_samples, save_snapshot)] == [{"asked": 1}] * 2
    watched.up_to(4)
    assert [part["kept"] for part in watched.told if "kept" in part] == ["samples", "snapshot"]
    known = watched.shown()
    assert [own["step"] for own in known["samples"]] == known["snapshots"] == [3]
    assert sample(Asked({"run": watched.run, "step": "3", "number": "1"})).content[8:12] == b"WEBP"
    watched.up_to(6)
    watched.up_to(7)  # the end
    assert [own.step for own in watched.result.snapshots] == [3, 6]
    assert json.loads(draw_samples(asked).content) == json.loads(save_snapshot(asked).content) == {"asked": 0}


def test_the_prior_is_shown_beside_the_losses_while_it_trains_and_afterwards(watched: Watched) -> None:
    watched.up_to(3)
    known = watched.shown()
    assert len(known["prior"]) == len(known["losses"]) == 3
    assert all(0 < prior < loss for prior, loss in zip(known["prior"], known["losses"], strict=True))
    watched.up_to(7)
    parts = watched.result.parts["prior"]
    assert watched.shown()["prior"] == parts and len(parts) == 6


@pytest.mark.skipif(not os.access("/proc/self/clear_refs", os.W_OK), reason="only Linux tells it")
def test_memory_is_told_beside_the_plan(watched: Watched) -> None:
    watched.up_to(3)
    memory = watched.shown()["live"]["memory"]
    assert memory["planned"] > 0 and memory["taken"] >= 0
    assert any("memory" in part for part in watched.told)
    watched.events.close()


def test_a_training_without_prompts_says_what_it_lacks(host: HeadlessHost) -> None:
    store = host.run_store()
    note(store, LINEAGE, About(name="fox", base="demo", family="sd1", dataset="fox", pictures=1, steps=9, seed=1))
    lock = Exclusive(store.lock(LINEAGE))
    list(lock.acquire("fox"))
    try:
        answer = Route("POST", "/", draw_samples).answer(Asked(body={"run": run_name(LINEAGE, 9)}))
        assert answer.status == 400 and "sample_prompts" in json.loads(answer.content)["error"]["expected"]
        assert not store.request(LINEAGE, "sample").exists()
    finally:
        lock.release()


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

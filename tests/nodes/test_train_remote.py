"""The node *Train Remotely* in a workflow, at a stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hosted_adapters import small_adapter
from hosted_standins import CivitaiStandIn
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.adapters.files import load_adapter
from lora_workbench.engine.core.errors import WorkflowError
from lora_workbench.engine.remote import PROVIDERS
from lora_workbench.engine.remote.terms import STARTS
from lora_workbench.headless.executor import Executor, NodeError, Outcome
from lora_workbench.headless.reading import read_workflow
from lora_workbench.nodes.host.headless import HeadlessHost
from lora_workbench.nodes.training import train_remote
from lora_workbench.nodes.training.train_remote import TrainRemote
from PIL import Image
from workspace import changed, in_api_format


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> Iterator[CivitaiStandIn]:
    with CivitaiStandIn(small_adapter(), polls=1).in_reach(monkeypatch) as standin:
        yield standin


@pytest.fixture
def graph(tmp_path: Path) -> dict[str, Any]:
    folder = tmp_path / "fox"
    folder.mkdir()
    for number in range(3):
        Image.new("RGB", (32, 32), (60 * number, 90, 90)).save(folder / f"{number}.png")
    return in_api_format({
        "data": ("LW_LoadDataset", {"path": str(folder), "on_unreadable": "skip"}),
        "captions": ("LW_TriggerCaptions", {
            "dataset": ["data", 0], "trigger_word": "zwx", "class_word": "fox", "template": "a {trigger} {class}",
            "mode": "prepend",
        }),
        "train": ("LW_TrainRemote", {
            "dataset": ["captions", 0], "provider": "civitai", "trainer": "", "steps": 800, "name": "",
            "start": "train", "settings": "lr = 0.0005; networkDim = 4",
        }),
        "save": ("LW_SaveAdapter", {"adapter": ["train", 0], "filename": "fox", "dtype": "float32"}),
    })  # fmt: skip


@pytest.fixture
def run(host: HeadlessHost, tmp_path: Path) -> Callable[[dict[str, Any]], Outcome]:
    def start(data: dict[str, Any]) -> Outcome:
        path = tmp_path / "workflow.json"
        path.write_text(json.dumps(data), encoding="utf-8")
        return Executor(registry(), host).run(read_workflow(path, registry()))

    return start


def test_it_offers_what_the_engine_has():
    assert list(train_remote.PROVIDERS) == PROVIDERS.names()
    assert train_remote.STARTS == STARTS


def test_a_workflow_gets_its_adapter_from_elsewhere(run, graph, standin, host: HeadlessHost, progress: StringIO):
    outcome = run(graph)
    report = outcome.reports["train"]
    assert (report["provider"], report["trainer"], report["job"]) == ("civitai", "sdxl", "job1")
    assert report["price"].startswith("400.00 Buzz") and "job job1), in" in progress.getvalue()
    saved = load_adapter(host.adapter_directory() / "fox.safetensors")
    assert saved.trigger == "zwx fox" and "LW_TrainRemote" in saved.metadata["prompt"]
    assert standin.token not in json.dumps(dict(saved.metadata)) + progress.getvalue()
    (job,) = standin.jobs.values()
    inputs = job.order["steps"][0]["input"]
    assert (inputs["lr"], inputs["networkDim"], inputs["steps"]) == (0.0005, 4, 800)


def test_nothing_is_paid_twice(run, graph, standin, progress: StringIO):
    run(graph)
    asked = len(standin.requests)
    outcome = run(changed(graph, train__name="cat"))
    assert outcome.reports["train"]["cached"] and "already here" in progress.getvalue()
    assert len(standin.requests) == asked


def test_by_itself_it_only_tells_the_price(run, graph, standin):
    schema = TrainRemote.GET_SCHEMA()
    default = next(given.default for given in schema.inputs if given.id == "start")
    with pytest.raises(NodeError, match=r"Nothing was sent or started\. 3 pictures to Civitai, sdxl, 800 steps"):
        run(changed(graph, train__start=default))
    assert not standin.jobs and not standin.files


def test_a_secret_in_the_graph_is_refused_before_anything_runs(run, graph, standin):
    with pytest.raises(WorkflowError, match="secrets and addresses for messages don't belong") as told:
        run(changed(graph, train__settings="hf_token = hf_abcdef"))
    assert "hf_abcdef" not in str(told.value) and not standin.requests
    with pytest.raises(NodeError, match="stands in the order itself") as told:
        run(changed(graph, train__settings=f"note = {standin.token}"))
    assert standin.token not in str(told.value) and not standin.requests


def test_without_captions_nothing_is_sent(run, graph, standin):
    with pytest.raises(NodeError, match="no caption"):
        run(changed(graph, train__dataset=["data", 0]))
    assert not standin.requests

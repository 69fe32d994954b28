"""Hosted trainers in a real ComfyUI: what comes back loads there at its strength, and the node in a running server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from comfyui_process import run_inside
from comfyui_server import Graph, Server, serve
from hosted_adapters import small_adapter
from hosted_standins import TOKEN, CivitaiStandIn
from workspace import changed, in_api_format

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]
STEPS = 800


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("hosted")
    return run_inside(Path(__file__).parent / "inside_hosted.py", "every", folder, folder=folder)


def test_what_comes_back_changes_weights_as_it_did_there(found: dict[str, Any]) -> None:
    """By alpha / rank * B A of the file that was sent, whatever names and whatever place of alpha it had."""
    assert len(found) == 4
    for name, told in found.items():
        assert not told["unmatched"], name
        assert told["same_weights"] and told["layers"] > 4, name
        assert told["size"] > 1, name
        assert told["apart"] < 1e-5 * told["size"], name
    assert found["civitai, SDXL with text encoders"]["begins"] == ["te1", "te2"]


@pytest.fixture(scope="module")
def standin() -> Iterator[CivitaiStandIn]:
    with pytest.MonkeyPatch.context() as environment, CivitaiStandIn(small_adapter()).in_reach(environment) as running:
        yield running


@pytest.fixture(scope="module")
def server(standin: CivitaiStandIn, root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A ComfyUI whose environment has the stand-in's address, and its token."""
    with serve(root, tmp_path_factory.mktemp("comfyui")) as running:
        yield running


def training(**inputs: Any) -> Graph:
    return in_api_format({
        "data": ("LW_LoadDataset", {"path": "assets/datasets/fox", "on_unreadable": "skip"}),
        "captions": ("LW_TriggerCaptions", {
            "dataset": ["data", 0], "trigger_word": "zwx", "class_word": "animal",
            "template": "an emoji of a {trigger} {class}", "mode": "prepend",
        }),
        "train": ("LW_TrainRemote", {
            "dataset": ["captions", 0], "provider": "civitai", "trainer": "", "steps": STEPS, "name": "hosted fox",
            "start": "train", **inputs,
        }),
        "save": ("LW_SaveAdapter", {"adapter": ["train", 0], "filename": "hosted fox", "dtype": "float32"}),
    })  # fmt: skip


def test_the_price_is_the_first_answer_then_it_trains_then_it_is_here(server: Server, standin: CivitaiStandIn) -> None:
    refused = server.ended(server.queue(training(start="tell the price")))
    assert refused.status == "error"
    said = json.dumps(refused.history["status"]["messages"])
    assert "Nothing was sent or started. 16 pictures to Civitai, sdxl, 800 steps. Price: 400.00 Buzz" in said
    assert not standin.jobs and not standin.files

    with server.listening() as client:
        number = server.queue(training(), client.name)
        heard = list(client.events())
    assert heard[-1].kind == "execution_success"
    steps = [told["value"] for kind, told in heard if kind == "progress" and told["max"] == STEPS]
    assert STEPS // 2 in steps, "of two questions the first one tells half of it"
    texts = [told["text"] for kind, told in heard if kind == "lora_workbench.text"]
    assert any("started as job job1 at Civitai" in text for text in texts), texts
    ended = server.ended(number)
    assert ended.report("train")["job"] == "job1" and not ended.report("train")["cached"]
    assert list(server.folder.rglob("hosted fox*.safetensors"))

    asked = len(standin.requests)
    again = server.run(changed(training(), train__name="renamed"))
    assert again.report("train")["cached"] and len(standin.requests) == asked


def test_an_interruption_ends_the_job(server: Server, standin: CivitaiStandIn) -> None:
    standin.polls = 10_000
    with server.listening() as client:
        number = server.queue(training(steps=STEPS + 1), client.name)
        for kind, told in client.events():
            if kind == "lora_workbench.text" and "running at Civitai" in told["text"]:
                server.interrupt()
                break
        assert client.wait_for_end() == "execution_interrupted"
    assert server.ended(number).status == "interrupted"
    assert list(standin.jobs.values())[-1].canceled


def test_a_restarted_comfyui_waits_for_the_same_job(server: Server, standin: CivitaiStandIn, root: Path) -> None:
    standin.polls = 10_000
    graph = training(steps=STEPS + 2, when_interrupted="leave it running")
    with server.listening() as client:
        server.queue(graph, client.name)
        for kind, told in client.events():
            if kind == "lora_workbench.text" and "running at Civitai" in told["text"]:
                server.interrupt()
                break
        client.wait_for_end()
    jobs, standin.polls = len(standin.jobs), 2
    with serve(root, server.folder) as restarted:
        report = restarted.run(graph).report("train")
    assert report["job"] == f"job{jobs}" and len(standin.jobs) == jobs


def test_the_token_is_in_no_graph_file_or_log(server: Server, standin: CivitaiStandIn) -> None:
    assert any(request.headers["Authorization"] == f"Bearer {TOKEN}" for request in standin.requests)
    told = json.dumps([server.get("/history"), server.get("/queue"), server.get("/object_info/LW_TrainRemote")])
    assert "hosted fox" in told and TOKEN not in told
    files = [path for path in server.folder.rglob("*") if path.is_file() and "custom_nodes" not in path.parts]
    assert server.log in files and len(files) > 10
    assert not [path for path in files if TOKEN.encode() in path.read_bytes()]
    assert "HTTP Request" not in server.log.read_text()

"""An agent's jobs in a real ComfyUI: what they make, and what becomes of them when something goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import mcp_types as types
import numpy as np
import pytest
from agents_comfyui import FEW_STEPS, Watcher, foxes
from agents_server import done, end_worker, images_of, in_thread, text_of
from comfyui_graphs import demo_training
from comfyui_server import Graph, Server, serve
from lora_workbench.agents.backend import DrawRequest, Ended, Result, TrainRequest, WorkflowRequest
from lora_workbench.agents.comfy.backend import ComfyBackend
from lora_workbench.agents.comfy.catalog import ComfyCatalog
from lora_workbench.agents.comfy.following import Patience
from lora_workbench.agents.comfy.server import AwayError, ServerError
from lora_workbench.agents.comfy.server import Server as Api
from lora_workbench.agents.comfy.workflows import read_for
from lora_workbench.engine.core.errors import BaseModelError, CaptionError, ConfigError, DatasetError, WorkflowError
from lora_workbench.engine.generation.png import read_parameters
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from PIL import Image
from workspace import in_api_format, plain_pictures

pytestmark = [pytest.mark.comfyui, pytest.mark.slow]

SCENE = "an emoji on a green background"
QUICK = Patience(tick=0.1, look=0.5)


@pytest.fixture(scope="module")
def server(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serve(root, tmp_path_factory.mktemp("comfyui")) as running:
        yield running


@pytest.fixture(scope="module")
def backend(server: Server) -> ComfyBackend:
    return ComfyBackend(server.url, patience=QUICK)


@pytest.fixture(scope="module")
def trained(root: Path, backend: ComfyBackend, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The adapter that others draw with."""
    return backend.train(foxes(root), Watcher(tmp_path_factory.mktemp("job")))


@pytest.fixture
def job(tmp_path: Path) -> Watcher:
    return Watcher(tmp_path / "job")


def of_fox(**more: object) -> DrawRequest:
    return DrawRequest(**{  # pyright: ignore[reportArgumentType]
        "name": "fox.safetensors", "scene": SCENE, "rows": "on | fox.safetensors | 0.8", "seed": 3, "count": 2,
        "steps": 5, **more,
    })  # fmt: skip


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def queued(server: Server) -> int:
    queue = server.get("/queue")
    return len(queue["queue_running"]) + len(queue["queue_pending"])


def wait_until_idle(server: Server) -> None:
    end = time.monotonic() + 60
    while queued(server):
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_training_gives_a_pinned_adapter_with_a_preview(server: Server, trained: Result) -> None:
    assert trained.adapters == ["fox.safetensors"]
    assert not trained.stopped
    assert (trained.report["cached"], trained.report["steps"], trained.report["trigger"]) == (False, 4, "zwx animal")
    [preview] = trained.pictures
    assert pixels(Path(preview.path)).shape == (64, 64, 3)
    catalog = ComfyCatalog(server.url)
    card = catalog.card("fox.safetensors")
    assert card is not None
    assert (card.pinned, card.trigger, card.family, card.base) == (True, "zwx animal", "sd1", "demo_base")
    assert catalog.cards() == [card]
    shown = catalog.preview("fox.safetensors")
    assert shown is not None
    assert shown[8:12] == b"WEBP"
    catalog.pin("fox.safetensors", False)
    unpinned = catalog.card("fox.safetensors")
    assert unpinned is not None
    assert not unpinned.pinned
    catalog.pin("fox.safetensors", True)


def test_the_same_training_is_done_once(root: Path, server: Server, backend: ComfyBackend, trained: Result,
                                        job: Watcher) -> None:  # fmt: skip
    before = {path: path.read_bytes() for path in (server.output / "loras").iterdir()}
    again = backend.train(foxes(root), job)
    assert again.adapters == trained.adapters
    assert not job.steps
    assert {path: path.read_bytes() for path in (server.output / "loras").iterdir()} == before


def test_pictures_are_those_that_are_drawn_by_hand(server: Server, backend: ComfyBackend, trained: Result,
                                                   job: Watcher) -> None:  # fmt: skip
    del trained
    drawn = backend.draw(of_fox(), job)
    by_hand = server.run(hand_wired())
    assert [picture.seed for picture in drawn.pictures] == [3, 4]
    assert {picture.prompt for picture in drawn.pictures} == {f"zwx animal, {SCENE}"}
    ours = np.stack([pixels(Path(picture.path)) for picture in drawn.pictures])
    assert np.array_equal(ours, by_hand.pixels("save"))
    assert np.abs(ours[0] - ours[1]).max() > 20
    assert [read_parameters(picture.path)["seed"] for picture in drawn.pictures] == [3, 4]
    assert drawn.report["stack"] == ["fox 0.8: zwx animal"]


def hand_wired() -> Graph:
    return in_api_format({
        "demo": ("LW_DemoCheckpoint", {}),
        "adapter": ("LW_LoadAdapter", {"adapter": "fox.safetensors"}),
        "stack": ("LW_StackAdapters", {
            "adapter": ["adapter", 0], "weight": 0.8, "text_encoder_weight": 0.8, "enabled": True,
        }),
        "draw": ("LW_Generate", {
            "base": ["demo", 3], "stack": ["stack", 0], "prompts": f"zwx animal, {SCENE}", "seed": 3,
            "seeds_per_prompt": 2, "steps": 5, "guidance": 3.0, "negative_prompt": "", "width": 0, "height": 0,
            "batch_size": 8,
        }),
        "save": ("LW_SaveImages", {"filename_prefix": "by hand", "batch": ["draw", 1]}),
    })  # fmt: skip


def test_the_catalog_tells_of_bases_stacks_and_trainings(server: Server, trained: Result) -> None:
    del trained
    catalog = ComfyCatalog(server.url)
    assert catalog.bases() == {"demo_base": "sd1"}
    assert catalog.presets() == {}
    server.post(f"/userdata/{quote('lora_workbench/stack_presets/my fox.json', safe='')}", {"rows": "on | fox | 0.7\n"})
    assert catalog.presets() == {"my fox": "on | fox | 0.7"}
    [run] = [run for run in catalog.runs() if run["name"] == "fox"]
    assert (run["done"], run["progress"], run["dataset"], run["base"]) == (4, "finished", "fox", "demo_base")
    assert catalog.verdict("fox") is None
    assert catalog.verdict(run["number"][:9]) is None
    assert catalog.card("nothing.safetensors") is None
    assert catalog.preview("nothing.safetensors") is None
    with pytest.raises(ConfigError, match="no run 'cat'"):
        catalog.verdict("cat")
    with pytest.raises(BaseModelError, match="did you mean demo_base"):
        ComfyBackend(server.url).draw(of_fox(base="demo_bas"), Watcher(server.folder / "job"))


def test_a_verdict_is_that_of_the_run_store(root: Path, server: Server, backend: ComfyBackend, job: Watcher) -> None:
    made = backend.train(foxes(root, "judged", steps=2, measures=True, snapshot_every=2, held_out=0.2), job)
    verdict = ComfyCatalog(server.url).verdict("judged")
    assert verdict is not None
    assert verdict["best"] == made.report["verdict"]["best"] == made.report["step"]
    assert verdict["words"].startswith(f"Best: step {verdict['best']}.")


def test_refusals_name_what_is_wrong(root: Path, server: Server, backend: ComfyBackend, trained: Result, job: Watcher,
                                     tmp_path: Path) -> None:  # fmt: skip
    del trained
    with pytest.raises(WorkflowError, match=r"(?s)node stack \(LW_Stack\).*foxx"):
        backend.draw(of_fox(rows="on | foxx"), job)
    with pytest.raises(ConfigError, match="names adapters"):
        backend.draw(of_fox(scene="<lora:fox:2> here"), job)
    with pytest.raises(WorkflowError, match="no such node"):
        backend.run(workflow(tmp_path, in_api_format({"1": ("NoSuchNode", {})})), job)
    with pytest.raises(ServerError, match="no node LW_OfTomorrow"):
        backend.run(workflow(tmp_path, in_api_format({"1": ("LW_OfTomorrow", {})})), job)
    bad = {"class_type": "LW_SaveImages", "inputs": {"filename_prefix": "bad", "images": ["demo", 3]}}
    partly = {**hand_wired(), "bad": bad}
    with pytest.raises(WorkflowError, match=r"node bad \(LW_SaveImages\), images"):
        backend.run(workflow(tmp_path, partly), job)
    wait_until_idle(server)
    bare = tmp_path / "bare"
    bare.mkdir()
    with pytest.raises(DatasetError):
        backend.train(captionless(root, bare), job)
    for text in plain_pictures(tmp_path / "captionless").glob("*.txt"):
        text.unlink()
    with pytest.raises(CaptionError) as told:
        backend.train(captionless(root, tmp_path / "captionless"), job)
    assert told.value.hint


def captionless(root: Path, folder: Path) -> TrainRequest:
    return replace(foxes(root, "bad"), folder=str(folder), trigger="", class_word="")


def workflow(folder: Path, graph: Graph) -> WorkflowRequest:
    path = folder / "workflow.json"
    path.write_text(json.dumps(graph))
    return WorkflowRequest(name="workflow", path=str(path))


def test_a_workflow_runs_with_other_values(server: Server, backend: ComfyBackend, trained: Result, job: Watcher,
                                           tmp_path: Path) -> None:  # fmt: skip
    del trained
    request = workflow(tmp_path, hand_wired())
    values = {"draw.seed": 9, "LW_Generate.steps": "2"}
    made = backend.run(WorkflowRequest(name="w", path=request.path, values=values), job)
    assert [read_parameters(picture.path)["seed"] for picture in made.pictures] == [9, 10]
    assert made.report["nodes"]["save"]["images"]
    with pytest.raises(WorkflowError, match="no input 'seedd'"):
        backend.run(WorkflowRequest(name="w", path=request.path, values={"draw.seedd": 9}), job)


def test_our_workflows_are_read_as_the_front_end_reads_them(root: Path, server: Server) -> None:
    api = Api(server.url)
    files = sorted((root / "workflows").glob("*.json"))
    assert len(files) > 15
    for file in files:
        twin = json.loads((root / "workflows" / "api" / file.name).read_text(encoding="utf-8"))
        made = read_for(api, file, {})
        assert {name: node["inputs"] for name, node in made.graph.items()} == {
            name: node["inputs"] for name, node in twin.items()
        }, file.name
        assert made.more["extra_pnginfo"]["workflow"]["nodes"]


def test_a_job_that_ends_leaves_nothing_in_the_queue(root: Path, server: Server, backend: ComfyBackend,
                                                     tmp_path: Path) -> None:  # fmt: skip
    watcher = Watcher(tmp_path / "job", ends=lambda watch: len(watch.steps) >= 2)
    with pytest.raises(Ended):
        backend.train(foxes(root, "ended", seed=7, steps=300), watcher)
    wait_until_idle(server)
    history = server.get(f"/history/{watcher.number}")[watcher.number]
    assert history["status"]["messages"][-1][0] == "execution_interrupted"


def test_a_job_goes_on_in_another_process(root: Path, server: Server, backend: ComfyBackend, tmp_path: Path) -> None:
    """Where the first is told to end, and the next one comes: the training runs on meanwhile, and isn't begun twice."""
    request = foxes(root, "handed on", seed=13, steps=20)
    first = Watcher(tmp_path / "job", ends=lambda watch: len(watch.steps) >= 1, goes_on=True)
    with pytest.raises(Ended):
        backend.train(request, first)
    assert queued(server) == 1
    second = Watcher(tmp_path / "job")
    second.remembered |= first.remembered
    made = backend.train(request, second)
    assert made.adapters == ["handed on.safetensors"]
    assert second.number == first.number
    assert made.report["resumed_at"] == 0


def test_a_job_that_waits_is_removed_and_others_go_on(server: Server, backend: ComfyBackend, trained: Result,
                                                      tmp_path: Path) -> None:  # fmt: skip
    del trained
    with server.listening() as client:
        other = server.queue(demo_training(steps=60, batch_size=2, seed=11), client.name)
        client.wait_for_step("train", 1, 60)
        begun = time.monotonic()
        with pytest.raises(Ended):
            backend.draw(of_fox(seed=99), Watcher(tmp_path / "job", ends=lambda _: time.monotonic() - begun > 2))
        queue = server.get("/queue")
        assert [entry[1] for entry in queue["queue_running"]] == [other]
        assert not queue["queue_pending"]
        server.interrupt()
    wait_until_idle(server)


def test_a_training_stops_with_its_adapter(root: Path, server: Server, backend: ComfyBackend, tmp_path: Path) -> None:
    watcher = Watcher(tmp_path / "job", stops=lambda watch: len(watch.steps) >= 2)
    made = backend.train(foxes(root, "stopped", seed=5, steps=300), watcher)
    assert made.stopped
    assert made.adapters == ["stopped.safetensors"]
    assert 2 <= made.report["steps"] < 300
    assert (server.output / "loras" / "stopped.safetensors").is_file()


def test_a_training_that_waits_stops_without_one(root: Path, server: Server, backend: ComfyBackend,
                                                 tmp_path: Path) -> None:  # fmt: skip
    with server.listening() as client:
        server.queue(demo_training(steps=60, batch_size=2, seed=12), client.name)
        client.wait_for_step("train", 1, 60)
        begun = time.monotonic()
        made = backend.train(
            foxes(root, "waiting", seed=6), Watcher(tmp_path / "job", stops=lambda _: time.monotonic() - begun > 2)
        )
        server.interrupt()
    assert (made.stopped, made.adapters) == (True, ())
    wait_until_idle(server)


def test_a_job_is_cancelled_in_comfyui(server: Server, root: Path, backend: ComfyBackend, tmp_path: Path) -> None:
    watcher = Watcher(tmp_path / "job")
    done: list[Exception] = []
    thread = threading.Thread(target=lambda: done.append(failure(backend, root, watcher)))
    thread.start()
    while not watcher.steps:
        time.sleep(0.1)
    server.interrupt()
    thread.join(60)
    assert isinstance(done[0], ServerError)
    assert "cancelled in ComfyUI" in str(done[0])


def failure(backend: ComfyBackend, root: Path, watcher: Watcher) -> Exception:
    with pytest.raises(Exception) as raised:  # noqa: PT011
        backend.train(foxes(root, "cancelled", seed=8, steps=300), watcher)
    return raised.value


def test_an_agent_trains_and_draws_there(root: Path, server: Server, tmp_path: Path) -> None:
    """By the tools of ``lora-workbench mcp --server``."""
    output = tmp_path / "out"
    output.mkdir()
    options = ["mcp", "--server", server.url, "--output", str(output), "--idle", "5"]
    program = StdioServerParameters(command=sys.executable, args=["-m", "lora_workbench", *options], env={**os.environ})
    training = {
        "folder": "fox", "name": "kit", "trigger": "zwx", "class_word": "animal", "settings": dict(FEW_STEPS),
        "wait_seconds": 300,
    }  # fmt: skip

    async def session() -> tuple[types.CallToolResult, types.CallToolResult, types.ReadResourceResult]:
        async with Client(program) as client:
            trained = await done(client, "train", **training)
            names = {tool.name for tool in (await client.list_tools()).tools}
            assert {"draw_kit", "draw", "status"} <= names
            drawn = await done(client, "draw_kit", scene=SCENE, count=2)
            return trained, drawn, await client.read_resource("adapter://kit")

    trained, drawn, card = in_thread(session())
    assert trained.structured_content
    assert trained.structured_content["adapters"] == ["kit.safetensors"]
    assert len(images_of(drawn)) == 2
    assert [picture["prompt"] for picture in drawn.structured_content["pictures"]] == [f"zwx animal, {SCENE}"] * 2
    assert json.loads(card.contents[0].text)["base"] == "demo_base"
    end_worker(output)


def test_an_agent_is_told_that_a_server_is_away(tmp_path: Path) -> None:
    options = ["mcp", "--server", "127.0.0.1:9", "--output", str(tmp_path / "out")]
    program = StdioServerParameters(command=sys.executable, args=["-m", "lora_workbench", *options], env={**os.environ})

    async def session() -> tuple[set[str], types.CallToolResult, types.CallToolResult]:
        async with Client(program) as client:
            names = {tool.name for tool in (await client.list_tools()).tools}
            return names, await client.call_tool("draw_fox", {"scene": "x"}), await client.call_tool("adapters", {})

    names, *refusals = in_thread(session())
    assert {"adapters", "status"} <= names
    for refusal in refusals:
        assert refusal.is_error
        assert "http://127.0.0.1:9 can't be reached" in text_of(refusal)


def test_a_server_that_is_down_is_named(tmp_path: Path, root: Path) -> None:
    backend = ComfyBackend("127.0.0.1:9", patience=QUICK)
    with pytest.raises(AwayError, match=r"http://127.0.0.1:9 can't be reached"):
        backend.train(foxes(root), Watcher(tmp_path / "job"))


def test_a_server_that_comes_back_goes_on(root: Path, tmp_path: Path) -> None:
    """It is killed in the middle of a training, and started again at the same address."""
    folder = tmp_path / "comfyui"
    folder.mkdir()
    watcher = Watcher(tmp_path / "job")
    results: list[Result] = []
    with contextlib.ExitStack() as first:
        running = first.enter_context(serve(root, folder))
        backend = ComfyBackend(running.url, patience=QUICK)
        request = foxes(root, "survivor", steps=60, save_every=2)
        thread = threading.Thread(target=lambda: results.append(backend.train(request, watcher)))
        thread.start()
        while len(watcher.steps) < 2 or watcher.steps[-1].step < 8:
            assert thread.is_alive()
            time.sleep(0.1)
        os.kill(running.pid, signal.SIGKILL)
    reached = watcher.steps[-1].step
    with serve(root, folder, port=int(running.url.rpartition(":")[2])):
        thread.join(240)
        assert not thread.is_alive()
    told = [event.text for event in watcher.told if hasattr(event, "text")]
    assert any("waiting for it" in text for text in told)
    assert any("queued again" in text for text in told)
    assert results[0].adapters == ["survivor.safetensors"]
    assert 0 < results[0].report["resumed_at"] <= reached


def test_a_server_that_stays_away_is_told(root: Path, tmp_path: Path) -> None:
    folder = tmp_path / "comfyui"
    folder.mkdir()
    watcher = Watcher(tmp_path / "job")
    with serve(root, folder) as running:
        backend = ComfyBackend(running.url, patience=Patience(tick=0.1, look=0.5, away=2.0))

        def killed(watch: Watcher) -> bool:
            if watch.steps:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(running.pid, signal.SIGKILL)
            return False

        watcher = Watcher(tmp_path / "job", ends=killed)
        with pytest.raises(AwayError, match="in the middle of the job"):
            backend.train(foxes(root, "lost", steps=300), watcher)

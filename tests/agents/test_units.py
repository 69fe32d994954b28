"""Names of tools, pictures of answers, jobs as folders, inputs of workflows."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from agents_server import waited
from lora_workbench.agents import worker
from lora_workbench.agents.backend import DrawRequest, Result, TrainRequest, as_json, from_json
from lora_workbench.agents.jobs import KEPT, Jobs, State
from lora_workbench.agents.names import InputPlace, adapter_at, address_of, argument_names, tool_names
from lora_workbench.agents.pictures import small
from lora_workbench.agents.places import Place
from lora_workbench.agents.workflows import prepared, values_of, workflow_tool
from lora_workbench.cli.nodes import registry
from lora_workbench.engine.core.errors import ConfigError, WorkflowError
from lora_workbench.engine.runs.inventory import existing_store
from lora_workbench.engine.runs.store import RunStore
from PIL import Image

PLACE = Place(output="/out", bases=("/demo_base",))


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path / "jobs")


def test_names_of_tools_are_plain_and_apart() -> None:
    names = ("fox.safetensors", "styles/Riso v2.safetensors", "Ärger!.safetensors", "狐.safetensors", "a b", "a-b",
             "x" * 200 + ".safetensors")  # fmt: skip
    tools = tool_names("draw", names)
    assert set(tools.values()) == set(names)
    assert (
        tools["draw_fox"] == names[0] and tools["draw_styles_riso_v2"] == names[1] and tools["draw_arger"] == names[2]
    )
    assert all(len(tool) <= 60 and tool.replace("_", "").isalnum() and tool.isascii() for tool in tools)
    assert {tool for tool, name in tools.items() if name in ("a b", "a-b")} == {
        tool for tool in tools if tool.startswith("draw_a_b_")
    }  # fmt: skip
    assert tool_names("draw", reversed(names)) == tools


def test_arguments_that_several_nodes_have_are_told_apart_by_title() -> None:
    places = [
        InputPlace("seed", "training", "3"), InputPlace("seed", "draw all of it", "7"), InputPlace("values", "x", "8"),
        InputPlace("training_seed", "other", "9"), InputPlace("path", "\u72d0", "4:1"), InputPlace("path", "", "5"),
        InputPlace("set", "Sweep", "6"), InputPlace("weight", "LoRA", "10"), InputPlace("weight", "LoRA", "11"),
        InputPlace("steps", "x" * 300, "12"), InputPlace("steps", "", "13"),
    ]  # fmt: skip
    assert argument_names(places, ("set",)) == [
        "3_seed", "draw_all_of_it_seed", "values", "9_training_seed", "4_1_path", "5_path", "sweep_set",
        "10_weight", "11_weight", "x" * 40 + "_steps", "13_steps",
    ]  # fmt: skip


def test_a_use_case_has_arguments_by_the_titles_of_its_nodes(root: Path) -> None:
    tool = workflow_tool(root / "workflows" / "brand-assets.json", registry())
    names = {exposed.name: exposed.address for exposed in tool.inputs}
    assert {"path", "trigger_word", "products_values", "scenes_values", "formats_values", "prompts"} < names.keys()
    values = values_of(tool, {"scenes_values": "a red background"}, registry())
    assert values == {names["scenes_values"]: "a red background"}


def test_addresses_come_back_as_names() -> None:
    for name in ("fox", "styles/Riso v2", "狐#?%/x"):
        assert adapter_at(address_of(f"{name}.safetensors")) == name
    assert adapter_at("file:///etc/passwd") is None


def test_pictures_of_an_answer_fit_together(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    noise = np.random.default_rng(0).integers(0, 256, (1600, 1200, 3), np.uint8)
    for path in paths[:3]:
        Image.fromarray(noise).save(path)
    paths[3].write_bytes(b"no picture")
    shown = small(paths, 200_000)
    assert shown[3] is None
    assert sum(len(one.data) for one in shown if one) <= 200_000
    for one in shown[:3]:
        assert one and one.mime_type == "image/jpeg"
        with Image.open(io.BytesIO(one.data)) as image:
            assert max(image.size) >= 256


def test_requests_come_back_from_json() -> None:
    for request in (
        DrawRequest(name="fox", scene="a fox"),
        TrainRequest(folder="/x", name="fox", settings={"rank": 4}),
    ):
        assert from_json(json.loads(json.dumps(as_json(request)))) == request
    with pytest.raises(ValueError, match="no request"):
        from_json({"kind": "draw", "of": "a later version"})


def test_jobs_keep_their_order_and_are_asked_for_once(jobs: Jobs) -> None:
    first = jobs.add(DrawRequest(name="fox", scene="a fox"), PLACE)
    assert jobs.add(DrawRequest(name="fox", scene="a fox"), PLACE).id == first.id == "0001-draw-fox"
    second = jobs.add(TrainRequest(folder="/x", name="../../f?x"), PLACE)
    assert second.folder.parent == jobs.folder
    assert [job.id for job in jobs.all()] == [first.id, second.id]
    assert [job.id for job in jobs.before(second)] == [first.id]
    first.keep(State(phase="finished"))
    assert jobs.before(second) == []
    assert jobs.add(DrawRequest(name="fox", scene="a fox"), PLACE).id == "0003-draw-fox"
    assert (first.place(), second.request().name) == (PLACE, "../../f?x")
    assert jobs.find("2").id == jobs.find("0002").id == jobs.find(second.id).id == second.id
    with pytest.raises(ConfigError, match="There is no job"):
        jobs.find("17")


def test_a_store_with_jobs_is_still_a_run_store(tmp_path: Path) -> None:
    store = RunStore(tmp_path / "run-store")
    Jobs(store.jobs).add(DrawRequest(name="fox", scene="a fox"), PLACE)
    assert existing_store(store.root).jobs == store.jobs


def test_damaged_jobs_are_told(jobs: Jobs) -> None:
    job = jobs.add(DrawRequest(name="fox", scene="a fox"), PLACE)
    (job.folder / "state.json").write_text("{")
    assert job.state() == State() and job.result() == Result()
    (job.folder / "request.json").write_text('{"request": {"kind": "dance"}}')
    with pytest.raises(ConfigError, match="can't be read"):
        job.request()


def test_workers_that_cant_start_are_told(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker.sys, "executable", shutil.which("false"))
    jobs.add(DrawRequest(name="fox", scene="a fox"), PLACE)
    workers = worker.Workers(jobs)

    def told() -> str:
        try:
            workers.ensure()
        except ConfigError as error:
            return str(error)
        return ""

    assert "worker.log" in waited(told)


def test_old_jobs_are_forgotten_but_not_pictures_in_them(jobs: Jobs) -> None:
    for number in range(3):
        jobs.add(DrawRequest(name="fox", scene=f"fox {number}"), PLACE)
    first, second, _ = jobs.all()
    for job in (first, second):
        job.keep(State(phase="finished"))
    (second.folder / "pictures").mkdir()
    for number in range(KEPT):
        folder = jobs.folder / f"{number + 10:04d}-x"
        folder.mkdir()
        (folder / "state.json").write_text(json.dumps({"phase": "failed", "said": []}))
    jobs.forget_old()
    assert not first.folder.exists() and second.folder.exists() and len(jobs.all()) == KEPT + 2


def test_workflows_offer_what_app_mode_shows(root: Path) -> None:
    tool = workflow_tool(root / "workflows" / "quickstart.json", registry())
    assert [exposed.name for exposed in tool.inputs] == ["path", "trigger_word", "class_word", "quality", "prompts"]
    assert tool.inputs[3].schema["enum"] == ["draft", "standard", "thorough"]
    values = values_of(tool, {"quality": "draft", "set": {"4.on_unreadable": "refuse"}}, registry())
    assert values == {"7.quality": "draft", "4.on_unreadable": "refuse"}
    changed = prepared(tool.path, values, registry())
    assert changed.nodes["7"].inputs["quality"] == "draft"
    with pytest.raises(WorkflowError, match="no input"):
        values_of(tool, {"set": {"4.on_unreadabel": "skip"}}, registry())


def test_workflows_without_app_mode_offer_all_values(root: Path) -> None:
    tool = workflow_tool(root / "workflows" / "api" / "generate-with-stack.json", registry())
    names = [exposed.name for exposed in tool.inputs]
    assert len(set(names)) == len(names)
    assert "prompts" in names and all(exposed.address.count(".") for exposed in tool.inputs)

"""A client of ComfyUI's API, without ComfyUI: addresses, graphs, what messages and refusals mean.

What servers say here is what ComfyUI 0.33.0 said.
"""

from __future__ import annotations

from typing import Any

import pytest
from lora_workbench.agents.backend import DrawRequest, TrainRequest
from lora_workbench.agents.comfy.bases import Base
from lora_workbench.agents.comfy.graphs import drawing, suggesting, training
from lora_workbench.agents.comfy.listening import Told
from lora_workbench.agents.comfy.problems import failed, refused
from lora_workbench.agents.comfy.server import Refusal, ServerError, checked_address
from lora_workbench.agents.comfy.telling import Teller
from lora_workbench.cli.main import main
from lora_workbench.engine.core.errors import AdapterError, ConfigError, WorkflowError
from lora_workbench.engine.core.events import Message, Progress, RunOpened, StepDone
from lora_workbench.headless.io import String
from lora_workbench.nodes import registry
from stock_nodes import CHECKPOINT, stock_nodes

DEMO = Base(name="demo_base", checkpoint=None, family="sd1", steps=25, guidance=3.0)
SD15 = Base(name="v1-5-pruned-emaonly-fp16", checkpoint=CHECKPOINT, family="sd1", steps=25, guidance=7.0)
DRAW = DrawRequest(name="fox", scene="asleep", rows="on | fox | 0.8", count=3, seed=5)
TRAIN = TrainRequest(folder="/pictures", name="fox", trigger="zwx", class_word="fox")
SETTINGS = {"steps": 40, "measures": True, "held_out": 0.2, "sample_prompts": "one\ntwo", "snapshot_steps": [10, 20]}


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("127.0.0.1:8188", "http://127.0.0.1:8188"),
        (" http://localhost:8188/ ", "http://localhost:8188"),
        ("https://host.example/comfy/", "https://host.example/comfy"),
        ("[::1]:8188", "http://[::1]:8188"),
    ],
)
def test_addresses(given: str, used: str) -> None:
    assert checked_address(given) == used


@pytest.mark.parametrize("given", ["", "http://", "ftp://host", "http://host:port", "http://host/?a=b", "file:///etc"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match="isn't the address"):
        checked_address(given)


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError) as told:
        checked_address("http://me:secret@host:8188")
    assert "secret" not in str(told.value)


def test_options_that_a_server_has_no_use_for_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mcp", "--server", "127.0.0.1:8188", "--device", "cpu", "--precision", "bf16"]) == 1
    assert "--device, --precision can't be used with --server" in capsys.readouterr().err


@pytest.mark.parametrize("base", [DEMO, SD15], ids=["demo", "checkpoint"])
@pytest.mark.parametrize("trigger", ["zwx", ""])
def test_graphs_have_inputs_that_nodes_know_and_links_that_fit(base: Base, trigger: str) -> None:
    request = TrainRequest(folder="/pictures", name="fox", trigger=trigger)
    for graph in (
        drawing(DRAW, base, "agents/fox"),
        training(request, base, "sent/fox", SETTINGS),
        suggesting(request, base, "sent/fox", {}),
    ):
        assert_fits({name: node for name, node in graph.items() if node["class_type"] != "PreviewAny"})


def assert_fits(graph: dict[str, Any]) -> None:
    schemas = {name: cls.GET_SCHEMA() for name, cls in {**registry(), **stock_nodes()}.items()}
    for node in graph.values():
        known = {i.id: i for i in schemas[node["class_type"]].inputs}
        assert node["inputs"].keys() <= known.keys()
        assert {i.id for i in known.values() if not i.optional} <= node["inputs"].keys()
        for name, value in node["inputs"].items():
            if isinstance(value, list):
                source = schemas[graph[value[0]]["class_type"]].outputs[value[1]].io_type
                assert source in known[name].io_type.split(","), (node, name)
            else:
                assert not isinstance(known[name], String.Input) or isinstance(value, str)


def test_settings_are_written_as_the_recipe_reads_them() -> None:
    from lora_workbench.nodes.kit.settings import parse_settings

    text = training(TRAIN, DEMO, "sent/fox", SETTINGS)["recipe"]["inputs"]["settings"]
    read = parse_settings(text)
    assert (read["steps"], read["measures"], read["held_out"]) == (40, True, 0.2)
    assert tuple(read["snapshot_steps"]) == (10, 20)
    assert tuple(read["sample_prompts"]) == ("one", "two")


def test_usual_steps_and_guidance_are_those_of_the_base_model() -> None:
    usual = drawing(DRAW, DEMO, "agents/fox")["pictures"]["inputs"]
    assert (usual["steps"], usual["guidance"]) == (25, 3.0)
    chosen = drawing(DrawRequest(name="fox", scene="", steps=8, guidance=1.5), DEMO, "agents/fox")["pictures"]["inputs"]
    assert (chosen["steps"], chosen["guidance"]) == (8, 1.5)


def test_messages_of_one_graph_become_events() -> None:
    teller = Teller("ours", training(TRAIN, DEMO, "sent/fox", SETTINGS))

    def told(kind: str, number: str = "ours", **data: Any) -> list[Any]:
        return [*teller.events(Told(kind, {"prompt_id": number, **data}))]

    trained = {"run": "abc0-40", "steps": 40, "first": 1, "learning_rate": 0.1, "rate": 2.0}
    assert told("executing", node="agent's training") == []
    assert told("progress", "another", node="x", value=1, max=3) == []
    assert told("progress", node="x", value=1, max=3) == [Progress(done=1, total=3, label="agent's training")]
    assert told("lora_workbench.text", text="encoding pictures 2/3, 1.0/s") == []
    assert told("progress", node="x", value=3, max=3) == [Progress(done=3, total=3, label="encoding pictures")]
    assert told("progress", node="x", value=1, max=7) == [Progress(done=1, total=7, label="agent's training")]
    assert told("lora_workbench.training", **trained, losses=[], opened=True) == [
        RunOpened(lineage="abc0", steps=40, done=0)
    ]
    assert told("lora_workbench.training", **trained, losses=[0.5, 0.25]) == [
        StepDone(step=2, steps=40, loss=0.25, learning_rate=0.1, seconds=0.5)
    ]
    assert told("progress", node="x", value=2, max=40) == []
    assert told("lora_workbench.text", text="saved: loras/fox.safetensors") == [
        Message(text="saved: loras/fox.safetensors")
    ]
    assert not teller.has_ended
    assert told("execution_success", "another") == []
    assert not teller.has_ended
    assert told("execution_success") == []
    assert teller.has_ended


def test_a_refusal_names_node_input_and_reason() -> None:
    graph = drawing(DRAW, SD15, "agents/fox")
    errors = [{
        "type": "value_not_in_list", "message": "Value not in list",
        "details": f"ckpt_name: '{CHECKPOINT}' not in []", "extra_info": {"input_name": "ckpt_name"},
    }]  # fmt: skip
    nodes = {"checkpoint": {"errors": errors, "dependent_outputs": ["save"], "class_type": "CheckpointLoaderSimple"}}
    error = refused(Refusal({"type": "prompt_outputs_failed_validation", "message": "…"}, nodes), graph)
    assert isinstance(error, WorkflowError)
    assert f"node checkpoint (CheckpointLoaderSimple), ckpt_name: Value not in list: ckpt_name: '{CHECKPOINT}'" in str(
        error
    )


def test_a_missing_node_says_what_to_install() -> None:
    graph = drawing(DRAW, DEMO, "agents/fox")
    missing = {
        "type": "missing_node_type", "message": "Node 'stack' not found. The custom node may not be installed.",
        "details": "Node ID '#stack'",
        "extra_info": {"node_id": "stack", "class_type": "LW_Stack", "node_title": "stack"},
    }  # fmt: skip
    error = refused(Refusal(missing, {}), graph)
    assert isinstance(error, ServerError)
    assert "comfy node install lora-workbench" in error.hint
    other = missing | {"extra_info": {"node_id": "stack", "class_type": "Other", "node_title": "stack"}}
    assert "install the extension" in refused(Refusal(other, {}), graph).hint


def ended(kind: str, **data: Any) -> dict[str, Any]:
    return {"status": {"messages": [["execution_start", {}], [kind, {"node_id": "stack", **data}]]}}


def test_errors_of_our_nodes_come_out_as_they_went_in() -> None:
    own = AdapterError("It is\nExpected of files: much.", expected="a LoRA", hint="look at it.")
    entry = ended(
        "execution_error", exception_type="lora_workbench.engine.core.errors.AdapterError", exception_message=str(own)
    )
    error = failed(entry, {})
    assert isinstance(error, AdapterError)
    assert (error.got, error.expected, error.hint) == (own.got, own.expected, own.hint)


def test_other_ends_are_told_in_words() -> None:
    graph = drawing(DRAW, DEMO, "agents/fox")
    full = {"exception_type": "torch.OutOfMemoryError", "exception_message": "Allocation on device"}
    memory = failed(ended("execution_error", **full), graph)
    assert "memory" in str(memory)
    other = failed(ended("execution_error", exception_type="KeyError", exception_message="'x'"), graph)
    assert "node stack (LW_Stack) fails: KeyError: 'x'" in str(other)
    assert "cancelled in ComfyUI" in str(failed(ended("execution_interrupted"), graph))
    assert failed(ended("execution_success"), graph) is None

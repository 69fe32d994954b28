"""A batch as prompts in API format: plain inputs in somebody's own graph, as many loaders as a job has adapters."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from engine_graphs import KSAMPLER as GRAPH
from lora_workbench.engine.adapters.adapter import Adapter
from lora_workbench.engine.adapters.stack import StackEntry
from lora_workbench.engine.batches.api_prompts import foreach_params, items
from lora_workbench.engine.batches.axes import adapters_axis, plain_axis, weights_axis
from lora_workbench.engine.batches.jobs import Job
from lora_workbench.engine.batches.sweep import Sweep
from lora_workbench.engine.core.errors import WorkflowError

FOX, RISO = (Adapter(name=name, family="sd1", modules={}, path=Path(f"{name}.safetensors")) for name in ("fox", "riso"))


def made(sweep: Sweep, given: set[str], graph: Any = GRAPH, **common: Any) -> list[Any]:
    jobs = sweep.within(plain_axis("prompt", ["a fox"]), plain_axis("seed", [5, 6])).jobs(Job(**common))
    return items(graph, jobs, given, lambda adapter: f"{adapter.name}.safetensors")


@pytest.fixture(autouse=True)
def hashes(monkeypatch: pytest.MonkeyPatch):
    """These adapters have no tensors."""
    monkeypatch.setattr(Adapter, "content_hash", property(lambda adapter: adapter.name))


def test_inputs_that_are_given_are_plain_values_and_others_stay():
    before = copy.deepcopy(GRAPH)
    [first, second] = made(Sweep(), {"prompt", "seed", "steps", "guidance"}, steps=8, guidance=3.0)
    inputs = {name: node["inputs"] for name, node in first.graph.items()}
    assert (inputs["6"]["text"], inputs["3"]["seed"], inputs["3"]["steps"], inputs["3"]["cfg"]) == ("a fox", 5, 8, 3.0)
    assert inputs["7"]["text"] == "blurry" and inputs["5"]["width"] == 512
    assert inputs["9"]["filename_prefix"] == first.name == "a-fox_seed-5"
    assert second.graph["3"]["inputs"]["seed"] == 6
    assert before == GRAPH


def test_a_job_has_as_many_loaders_as_adapters():
    columns = [[StackEntry(FOX, 0.8, 0.4)], [StackEntry(FOX, 0.8), StackEntry(RISO, 0.6)]]
    none, one, two = made(Sweep().adding(adapters_axis(columns, without=True)), {"seed"})[::2]
    assert "10" not in none.graph
    assert none.graph["3"]["inputs"]["model"] == ["4", 0] and none.graph["6"]["inputs"]["clip"] == ["4", 1]
    own = one.graph["10"]["inputs"]
    assert (own["lora_name"], own["strength_model"], own["strength_clip"]) == ("fox.safetensors", 0.8, 0.4)
    assert own["model"] == ["4", 0]
    first, last = two.graph["10_1"]["inputs"], two.graph["10"]["inputs"]
    assert (first["lora_name"], first["model"]) == ("fox.safetensors", ["4", 0])
    assert (last["lora_name"], last["model"], last["clip"]) == ("riso.safetensors", ["10_1", 0], ["10_1", 1])
    assert two.graph["3"]["inputs"]["model"] == ["10", 0]


def test_without_any_adapter_the_graph_s_own_stays():
    assert made(Sweep(), {"seed"})[0].graph["10"] == GRAPH["10"]


def test_equal_prompts_come_once():
    sweep = (
        Sweep().adding(adapters_axis([[StackEntry(FOX)]], without=True)).adding(weights_axis([0.5, 1], without=False))
    )
    assert len(made(sweep, {"seed"})) == 2 * 3


def test_comfy_cli_takes_what_varies():
    """Its recipe declares a parameter for each; numbers come as text."""
    from comfy_cli import workflow_ops

    sweep = Sweep().adding(adapters_axis([[StackEntry(FOX, 0.8)]], without=True))
    params = foreach_params(made(sweep, {"prompt", "seed", "steps"}))
    assert params and [sorted(one) for one in params] == [["seed", "strength_clip", "strength_model"]] * 4
    types = {"seed": "int", "strength_model": "float", "strength_clip": "float"}
    declared = {name: {"type": kind} for name, kind in types.items()}
    resolved = [workflow_ops.resolve_params(declared, {k: str(v) for k, v in one.items()}) for one in params]
    assert [(one["seed"], one["strength_model"]) for one in resolved] == [(5, 0.0), (6, 0.0), (5, 0.8), (6, 0.8)]
    several = adapters_axis([[StackEntry(FOX), StackEntry(RISO)]], without=True)
    assert foreach_params(made(Sweep().adding(several), {"seed"})) is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda graph: graph.update({"33": graph["3"]}), "2 nodes that could be the sampler: 3, 33"),
        (lambda graph: graph["3"]["inputs"].update(seed=["4", 0]), "is a link"),
        (lambda graph: graph["6"]["inputs"].update(text=["4", 0]), "is a link"),
        (lambda graph: graph.pop("5"), "Nothing behind latent_image"),
        (lambda graph: graph.update(nodes=[]), "isn't in API format"),
    ],
)
def test_what_is_refused(change: Any, told: str):
    graph = copy.deepcopy(GRAPH)
    change(graph)
    with pytest.raises(WorkflowError, match=told):
        made(Sweep(), {"prompt", "seed", "width"}, graph, width=64)


def test_adapters_need_a_loader():
    graph = {name: node for name, node in GRAPH.items() if name != "10"}
    with pytest.raises(WorkflowError, match="LoRA loader"):
        made(Sweep().adding(adapters_axis([[StackEntry(FOX)]], without=False)), {"seed"}, graph)

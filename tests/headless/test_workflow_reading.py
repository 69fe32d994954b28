"""Workflow files in UI and API format become the same nodes."""

from __future__ import annotations

from typing import Any

import pytest
from lora_workbench.engine.core.errors import WorkflowError
from lora_workbench.headless import io
from lora_workbench.headless.reading import read_workflow
from lora_workbench.headless.widgets import named_widgets
from lora_workbench.headless.workflow import Link


def ui_node(node_id: int, kind: str, *, values: Any = (), links: dict[str, tuple[int | None, str]] | None = None,
            gives: str = "", mode: int = 0, **more: Any) -> dict[str, Any]:  # fmt: skip
    inputs = [{"name": name, "type": type_, "link": link} for name, (link, type_) in (links or {}).items()]
    outputs = [{"name": gives, "type": gives, "links": []}] if gives else []
    return {"id": node_id, "type": kind, "inputs": inputs, "outputs": outputs, "mode": mode, "widgets_values": values,
            **more}  # fmt: skip


def test_ui_widgets_are_named_and_seed_controls_left_out(registry, workflow_file) -> None:
    data = {
        "nodes": [
            ui_node(1, "T_MakeThing", values=[7, "randomize", "blue", "randomize"], gives="T_THING"),
            ui_node(
                2, "T_Save", values=["a.txt"], links={"thing": (5, "T_THING"), "number": (None, "INT")}, title="Out"
            ),
            ui_node(3, "Note", values=["read me"]),
        ],
        "links": [[5, 1, 0, 2, 0, "T_THING"]],
    }
    workflow = read_workflow(workflow_file(data), registry)
    assert workflow.nodes["1"].inputs == {"seed": 7, "kind": "blue", "name": "randomize"}
    assert workflow.nodes["2"].inputs == {"name": "a.txt", "thing": Link("1", 0)}
    assert workflow.nodes["2"].label == 'node 2 "Out" (T_Save)'
    assert set(workflow.nodes) == {"1", "2"}
    assert workflow.graph == data


@pytest.mark.parametrize(
    ("seed", "values"),
    [
        (io.Int.Input("first", extra_dict={"control_after_generate": "fixed"}), [3, "fixed", "x"]),
        (io.Int.Input("first", control_after_generate=False), [3, "x"]),
        (io.Int.Input("first"), [3, "x"]),
        (io.Int.Input("seed"), [3, "increment", "x"]),
    ],
)
def test_seed_controls_are_where_the_front_end_puts_them(seed: io.Input, values: list[Any]) -> None:
    schema = io.Schema("T_Any", inputs=[io.Image.Input("image"), seed, io.String.Input("text")])
    assert named_widgets(schema, values) == {seed.id: 3, "text": "x"}


def test_missing_widget_values_get_the_default(registry, workflow_file) -> None:
    data = {"nodes": [ui_node(1, "T_MakeThing", values=[3])], "links": []}
    assert read_workflow(workflow_file(data), registry).nodes["1"].inputs == {"seed": 3, "kind": "red", "name": "thing"}


def test_widget_values_by_name(registry, workflow_file) -> None:
    data = {"nodes": [ui_node(1, "T_MakeThing", values={"kind": "blue", "preview": 1})], "links": []}
    assert read_workflow(workflow_file(data), registry).nodes["1"].inputs == {
        "seed": 0,
        "kind": "blue",
        "name": "thing",
    }


def test_link_wins_over_the_widget_that_it_was_converted_from(registry, workflow_file) -> None:
    data = {
        "nodes": [
            ui_node(1, "T_Number", values=[4], gives="INT"),
            ui_node(2, "T_Add", values=[11, 12, 1.5], links={"b": (1, "INT")}),
        ],
        "links": [{"id": 1, "origin_id": 1, "origin_slot": 0, "target_id": 2, "target_slot": 0, "type": "INT"}],
    }
    assert read_workflow(workflow_file(data), registry).nodes["2"].inputs == {"a": 11, "b": Link("1", 0), "c": 1.5}


def test_reroutes_bypassed_nodes_and_primitives_are_seen_through(registry, workflow_file) -> None:
    data = {
        "nodes": [
            ui_node(1, "T_Number", values=[4], gives="INT"),
            ui_node(2, "Reroute", links={"": (1, "*")}, gives="INT"),
            ui_node(3, "T_Add", values=[0, 0], links={"a": (2, "INT")}, gives="INT", mode=4),
            ui_node(4, "PrimitiveNode", values=[9, "fixed"], gives="INT"),
            ui_node(5, "T_Add", values=[0, 0], links={"a": (3, "INT"), "b": (4, "INT")}, gives="INT"),
        ],
        "links": [[1, 1, 0, 2, 0, "INT"], [2, 2, 0, 3, 0, "INT"], [3, 3, 0, 5, 0, "INT"], [4, 4, 0, 5, 1, "INT"]],
    }
    workflow = read_workflow(workflow_file(data), registry)
    assert set(workflow.nodes) == {"1", "5"}
    assert workflow.nodes["5"].inputs == {"a": Link("1", 0), "b": 9}


def test_muted_source_leaves_the_widget_or_nothing(registry, workflow_file) -> None:
    data = {
        "nodes": [
            ui_node(1, "T_Number", values=[4], gives="INT", mode=2),
            ui_node(2, "T_Add", values=[1, 2], links={"b": (1, "INT")}),
            ui_node(3, "T_Save", values=["x.txt"], links={"number": (2, "INT")}),
        ],
        "links": [[1, 1, 0, 2, 1, "INT"], [2, 1, 0, 3, 1, "INT"]],
    }
    workflow = read_workflow(workflow_file(data), registry)
    assert workflow.nodes["2"].inputs == {"a": 1, "b": 2}
    assert workflow.nodes["3"].inputs == {"name": "x.txt"}


def test_reroutes_in_a_circle_end(registry, workflow_file) -> None:
    data = {
        "nodes": [
            ui_node(1, "Reroute", links={"": (1, "*")}, gives="INT"),
            ui_node(2, "T_Save", values=["x.txt"], links={"number": (2, "INT")}),
        ],
        "links": [[1, 1, 0, 1, 0, "INT"], [2, 1, 0, 2, 1, "INT"]],
    }
    assert read_workflow(workflow_file(data), registry).nodes["2"].inputs == {"name": "x.txt"}


def test_api_format_goes_in_and_out_unchanged(registry, workflow_file) -> None:
    data = {
        "1": {"class_type": "T_Number", "inputs": {"value": 4}, "_meta": {"title": "Four"}},
        "2:7": {"class_type": "T_Add", "inputs": {"a": ["1", 0], "b": 2}, "_meta": {"title": "T_Add"}},
    }
    workflow = read_workflow(workflow_file(data), registry)
    assert workflow.nodes["2:7"].inputs["a"] == Link("1", 0)
    assert workflow.prompt() == data
    assert workflow.graph is None


@pytest.mark.parametrize(
    "data",
    ["{", "[1, 2]", "{}", '"text"', '{"1": {"inputs": {}}}', '{"1": {"class_type": "T_Add", "inputs": 3}}',
     '{"nodes": [{"id": 1}]}', '{"nodes": [3], "links": []}'],
)  # fmt: skip
def test_what_is_no_workflow_is_refused(data: str, registry, workflow_file) -> None:
    with pytest.raises(WorkflowError, match="is not a workflow"):
        read_workflow(workflow_file(data), registry)


def test_missing_file_is_named(registry, tmp_path) -> None:
    with pytest.raises(WorkflowError, match=r"gone\.json can't be read"):
        read_workflow(tmp_path / "gone.json", registry)

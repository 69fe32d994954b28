"""Nodes of ComfyUI and of other extensions: passed through where they only pass on, left out or refused by name."""

from __future__ import annotations

from typing import Any

import pytest
from lora_workbench.cli.nodes import registry as real_registry
from lora_workbench.engine.core.errors import WorkflowError
from lora_workbench.headless.overrides import apply_overrides
from lora_workbench.headless.preparing import prepare
from lora_workbench.headless.reading import read_workflow
from lora_workbench.headless.validation import validate
from lora_workbench.headless.workflow import Link, Workflow, WorkflowNode


def flow(**nodes: tuple[str, dict[str, Any]]) -> Workflow:
    return Workflow(
        nodes={n: WorkflowNode(id=n, class_type=kind, inputs=inputs) for n, (kind, inputs) in nodes.items()}
    )


SAVE = ("T_Save", {"name": "x", "number": Link("n", 0)})
NUMBER = ("T_Number", {"value": 4})


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        ("PrimitiveInt", "value", 5), ("PrimitiveFloat", "value", 5.0), ("PrimitiveString", "value", "5"),
        ("PrimitiveStringMultiline", "value", "5"), ("SeedNode", "seed", 5), ("Seed (rgthree)", "seed", 5),
    ],
)  # fmt: skip
def test_primitives_of_comfyui_give_their_value(kind: str, name: str, value: Any, registry) -> None:
    workflow = prepare(flow(p=(kind, {name: value}), n=("T_Number", {"value": Link("p", 0)}), s=SAVE), registry)
    assert workflow.nodes["n"].inputs == {"value": 5}
    assert workflow.notes == ()
    assert [node.id for node in validate(workflow, registry)] == ["n", "s"]


def test_a_primitive_can_be_set_from_outside(registry) -> None:
    workflow = flow(p=("PrimitiveInt", {"value": 5}), n=("T_Number", {"value": Link("p", 0)}), s=SAVE)
    workflow = prepare(apply_overrides(workflow, ["p.value=9"], registry), registry)
    assert workflow.nodes["n"].inputs == {"value": 9}


def test_a_primitive_passes_a_link_on(registry) -> None:
    workflow = prepare(flow(n=NUMBER, p=("PrimitiveInt", {"value": Link("n", 0)}), a=("T_Fail", {"number": Link("p", 0)})),
                       registry)  # fmt: skip
    assert workflow.nodes["a"].inputs == {"number": Link("n", 0)}


def test_primitives_in_a_circle_are_refused(registry) -> None:
    workflow = flow(
        p=("PrimitiveInt", {"value": Link("q", 0)}),
        q=("PrimitiveInt", {"value": Link("p", 0)}),
        s=("T_Fail", {"number": Link("p", 0)}),
    )
    with pytest.raises(WorkflowError, match="missing or muted|cycle"):
        validate(prepare(workflow, registry), registry)


def test_any_switch_gives_the_first_that_is_linked(registry) -> None:
    switch = ("Any Switch (rgthree)", {"any_02": Link("n", 0), "any_03": Link("gone", 0)})
    workflow = prepare(flow(n=NUMBER, w=switch, s=("T_Save", {"name": "x", "number": Link("w", 0)})), registry)
    assert workflow.nodes["s"].inputs["number"] == Link("n", 0)


@pytest.mark.parametrize("seed", [-1, -2, -3])
def test_a_seed_that_is_drawn_anew_is_refused(seed: int, registry) -> None:
    workflow = flow(n=("Seed (rgthree)", {"seed": seed}), s=SAVE)
    with pytest.raises(WorkflowError, match=r"Seed \(rgthree\)"):
        validate(prepare(workflow, registry), registry)


def test_foreign_nodes_that_nothing_needs_are_left_out_and_named(registry) -> None:
    workflow = prepare(
        flow(
            n=NUMBER, s=SAVE, k=("KSampler", {"steps": Link("n", 0)}), i=("SaveImage", {"images": Link("k", 0)}),
        ),
        registry,
    )  # fmt: skip
    assert set(workflow.nodes) == {"n", "s"}
    assert "node k (KSampler), node i (SaveImage)" in workflow.notes[0]
    validate(workflow, registry)


def test_foreign_nodes_that_ours_need_are_refused_by_name(registry) -> None:
    workflow = prepare(flow(n=("KSampler", {"m": Link("c", 0)}), c=("Loader", {}), s=SAVE, x=("Other", {})), registry)
    with pytest.raises(WorkflowError) as refused:
        validate(workflow, registry)
    assert "node n (KSampler)" in str(refused.value) and "node c (Loader)" in str(refused.value)
    assert "node x" not in str(refused.value) and "node x (Other)" in workflow.notes[0]


def test_a_graph_of_foreign_nodes_alone_is_refused_by_name(registry) -> None:
    with pytest.raises(WorkflowError, match="node k"):
        validate(prepare(flow(k=("KSampler", {})), registry), registry)


def test_our_own_misspelled_nodes_are_never_left_out(registry) -> None:
    with pytest.raises(WorkflowError, match="did you mean T_Show"):
        validate(prepare(flow(n=NUMBER, s=SAVE, t=("T_Shwo", {})), registry), registry)


@pytest.mark.parametrize(
    ("kind", "name", "given", "wanted"),
    [
        ("T_Number", "value", 4.0, 4), ("T_Number", "value", "4", 4), ("T_Number", "value", 1e1, 10),
        ("T_Add", "c", "0.5", 0.5), ("T_Add", "c", 1, 1), ("T_Save", "name", 5, "5"), ("T_Save", "name", 0.5, "0.5"),
        ("T_Number", "value", 4.5, 4.5), ("T_Number", "value", "four", "four"), ("T_Number", "value", True, True),
        ("T_Number", "value", [4], [4]), ("T_Save", "name", None, None), ("T_Save", "name", False, False),
        ("T_MakeThing", "kind", "red", "red"), ("T_Number", "value", "4.0", "4.0"),
    ],
)  # fmt: skip
def test_constants_are_taken_as_comfyui_takes_them(kind: str, name: str, given: Any, wanted: Any, registry) -> None:
    value = prepare(flow(n=(kind, {name: given})), registry).nodes["n"].inputs[name]
    assert value == wanted and type(value) is type(wanted)


def test_inputs_that_a_node_does_not_have_are_left_out_and_named_unless_misspelled(registry) -> None:
    save = ("T_Save", {"name": "x", "speak_and_recognition": [False, True], "nubmer": Link("n", 0)})
    workflow = prepare(flow(n=NUMBER, s=save), registry)
    assert workflow.notes == ("node s (T_Save): the node has no input speak_and_recognition, so it isn't used",)
    with pytest.raises(WorkflowError, match="did you mean number"):
        validate(workflow, registry)


def node(node_id: int, kind: str, values: Any = (), link: int | None = None, gives: str = "INT", **more: Any) -> Any:
    slots = [] if link is None else [{"name": "number", "type": "*", "link": link}]
    outputs = [{"name": gives, "type": gives}]
    return {"id": node_id, "type": kind, "inputs": slots, "outputs": outputs, "widgets_values": values, **more}


def canvas(nodes: list[Any], *links: list[Any]) -> dict[str, Any]:
    return {"nodes": nodes, "links": list(links), "version": 0.4}


def test_setters_and_getters_of_kj(registry, workflow_file) -> None:
    data = canvas(
        [
            node(1, "T_Number", [4]), node(2, "SetNode", ["steps"], 1), node(3, "GetNode", ["steps"]),
            node(4, "T_Save", ["x"], 2), node(5, "GetNode", ["gone"]), node(6, "T_Save", ["y"], 3),
        ],
        [1, 1, 0, 2, 0, "INT"], [2, 3, 0, 4, 0, "INT"], [3, 5, 0, 6, 0, "INT"],
    )  # fmt: skip
    workflow = read_workflow(workflow_file(data), registry)
    assert workflow.nodes["4"].inputs == {"name": "x", "number": Link("1", 0)}
    assert workflow.nodes["6"].inputs == {"name": "y"}
    assert workflow.notes == (
        "node 6 (T_Save), input number: no node sets what node 5 (GetNode) gets; nothing comes in",
    )


def test_a_getter_in_a_subgraph_sees_what_is_set_outside(registry, workflow_file) -> None:
    inner = {"id": "s", "name": "S", **canvas([node(7, "GetNode", ["steps"]), node(8, "T_Save", ["x"], 5)]),
             "links": [{"id": 5, "origin_id": 7, "origin_slot": 0, "target_id": 8, "target_slot": 0, "type": "INT"}],
             "inputs": [], "outputs": []}  # fmt: skip
    data = canvas(
        [node(1, "T_Number", [4]), node(2, "SetNode", ["steps"], 1), node(3, "s")], [1, 1, 0, 2, 0, "INT"]
    )  # fmt: skip
    workflow = read_workflow(workflow_file({**data, "definitions": {"subgraphs": [inner]}}), registry)
    assert workflow.nodes["3:8"].inputs == {"name": "x", "number": Link("1", 0)}


@pytest.mark.parametrize(
    "kind",
    ["Label (rgthree)", "Bookmark (rgthree)", "Fast Muter (rgthree)", "Fast Groups Bypasser (rgthree)", "MarkdownNote"],
)
def test_harmless_nodes_of_the_canvas_are_no_part_of_the_graph(kind: str, registry, workflow_file) -> None:
    data = canvas([node(1, "T_Number", [4]), node(2, kind, [], 1)], [1, 1, 0, 2, 0, "INT"])
    workflow = read_workflow(workflow_file(data), registry)
    assert set(workflow.nodes) == {"1"}
    assert workflow.notes == ()


def test_reroutes_of_rgthree(registry, workflow_file) -> None:
    data = canvas(
        [node(1, "T_Number", [4]), node(2, "Reroute (rgthree)", [], 1), node(3, "T_Save", ["x"], 2)],
        [1, 1, 0, 2, 0, "INT"],
        [2, 2, 0, 3, 0, "INT"],
    )
    assert read_workflow(workflow_file(data), registry).nodes["3"].inputs["number"] == Link("1", 0)


@pytest.mark.parametrize(
    ("links", "words"),
    [
        ([], "its link 1 isn't in the file"),
        ([[1, 99, 0, 3, 0, "INT"]], "comes from node 99, which isn't in the file"),
        ([[1, 2, 0, 3, 0, "INT"]], "is muted"), ([[1, 4, 0, 3, 0, "INT"]], "nothing is linked to node 4 (T_Number)"),
        ([[1, 5, 0, 3, 0, "INT"]], "is bypassed and takes no INT"),
        ([[1]], "1 of the workflow's links can't be read"),
    ],
)  # fmt: skip
def test_what_feeds_nothing_is_named(links: Any, words: str, registry, workflow_file) -> None:
    nodes = [
        node(2, "T_Number", [4], mode=2), node(3, "T_Save", ["x"], 1), node(4, "T_Number", [4], mode=4),
        node(5, "Elsewhere", mode=4),
    ]  # fmt: skip
    workflow = read_workflow(workflow_file(canvas(nodes, *links)), registry)
    assert workflow.nodes["3"].inputs == {"name": "x"}
    assert words in " ".join(workflow.notes)


def test_values_that_no_widget_takes_are_named(registry, workflow_file) -> None:
    data = canvas([node(1, "T_Number", [4, "more", "", None]), node(2, "T_Save", {"name": "x", "preview": "y"})])
    assert read_workflow(workflow_file(data), registry).notes == (
        "node 1 (T_Number): no widget takes these values of the file: 'more'",
        "node 2 (T_Save): no widget takes these values of the file: 'preview'",
    )


def test_an_input_that_is_left_out_has_its_default_and_that_is_told(registry) -> None:
    workflow = prepare(flow(n=("T_MakeThing", {"seed": 3})), registry)
    assert workflow.nodes["n"].inputs == {"seed": 3, "kind": "red", "name": "thing"}
    assert workflow.notes == (
        "node n (T_MakeThing): kind isn't given, so it has its default, 'red'",
        "node n (T_MakeThing): name isn't given, so it has its default, 'thing'",
    )
    misspelled = prepare(flow(n=("T_MakeThing", {"seed": 3, "knid": "blue", "name": "x"})), registry)
    assert "kind" not in misspelled.nodes["n"].inputs, "it is asked about instead"


def test_settings_of_a_recipe_may_be_inputs_of_their_own_and_old_names_are_known() -> None:
    nodes = flow(
        r=("LW_Recipe", {"dataset": Link("d", 0), "base": Link("b", 0), "steps": 6}),
        a=("LW_Augment", {"dataset": Link("d", 0), "colour": 0.0}),
    )
    workflow = prepare(nodes, real_registry())
    assert workflow.nodes["r"].inputs["steps"] == 6
    assert workflow.nodes["a"].inputs["color"] == 0.0
    assert not [note for note in workflow.notes if "isn't used" in note]

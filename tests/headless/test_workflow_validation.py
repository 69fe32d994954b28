"""Everything that is wrong with a workflow is told at once, by node and input."""

from __future__ import annotations

import math
from typing import Any

import pytest
from lora_workbench.engine.core.errors import WorkflowError
from lora_workbench.headless.overrides import apply_overrides
from lora_workbench.headless.validation import validate
from lora_workbench.headless.workflow import Link, Workflow, WorkflowNode


def flow(**nodes: tuple[str, dict[str, Any]]) -> Workflow:
    return Workflow(
        nodes={
            name: WorkflowNode(id=name, class_type=kind, title=name.upper(), inputs=inputs)
            for name, (kind, inputs) in nodes.items()
        }
    )


def problems(workflow: Workflow, registry: Any) -> str:
    with pytest.raises(WorkflowError) as caught:
        validate(workflow, registry)
    return str(caught.value)


def test_order_has_sources_first_and_only_what_outputs_need(registry) -> None:
    workflow = flow(
        s=("T_Save", {"name": "x", "number": Link("a", 0)}),
        a=("T_Add", {"a": Link("n", 0), "b": Link("n", 0)}),
        unused=("T_Add", {}),
        n=("T_Number", {"value": 1}),
    )
    assert [node.id for node in validate(workflow, registry)] == ["n", "a", "s"]


def test_all_problems_are_named_together(registry) -> None:
    workflow = flow(
        n=("T_Number", {"value": 101}),
        t=("T_MakeThing", {"seed": "many", "kind": "bleu", "name": 3}),
        s=("T_Save", {"name": "x", "number": Link("n", 0), "thing": Link("t", 0), "nmae": 1}),
        x=("T_Sace", {}),
        a=("T_Fail", {}),
        b=("T_Fail", {"number": Link("n", 4)}),
        c=("T_Fail", {"number": Link("t", 0)}),
        d=("T_Fail", {"number": Link("gone", 0)}),
    )
    text = problems(workflow, registry)
    for line in (
        'node n "N" (T_Number), input value: got 101, expected 100 or less',
        "node t \"T\" (T_MakeThing), input seed: got the text 'many', expected a whole number",
        "input kind: got 'bleu', expected one of red, blue; did you mean blue?",
        "input name: got 3, expected text",
        "no such input: nmae; did you mean name?",
        'node x "X" (T_Sace): unknown node; did you mean T_Save?',
        'node a "A" (T_Fail), input number: missing, expected a whole number',
        'node b "B" (T_Fail), input number: linked to output 4 of node n "N" (T_Number), which has 1',
        'node c "C" (T_Fail), input number: got T_THING from node t "T" (T_MakeThing), expected INT',
        'node d "D" (T_Fail), input number: linked to node gone, which is missing or muted',
    ):
        assert line in text
    assert "10 problems" in text


@pytest.mark.parametrize("value", ["4", 4.5, True, math.inf, None, [1], -1])
def test_values_that_are_no_whole_number_of_the_range(value: Any, registry) -> None:
    workflow = flow(n=("T_Number", {"value": value}), s=("T_Fail", {"number": Link("n", 0)}))
    assert "input value: got" in problems(workflow, registry)


@pytest.mark.parametrize("value", [math.nan, math.inf, "0.5", False])
def test_values_that_are_no_number(value: Any, registry) -> None:
    workflow = flow(a=("T_Add", {"a": 1, "b": 1, "c": value}), s=("T_Fail", {"number": Link("a", 0)}))
    assert "input c: got" in problems(workflow, registry)


def test_cycle_is_told_as_a_way_round(registry) -> None:
    workflow = flow(
        a=("T_Add", {"a": Link("b", 0), "b": 1}),
        b=("T_Add", {"a": Link("a", 0), "b": 1}),
        s=("T_Fail", {"number": Link("a", 0)}),
    )
    text = problems(workflow, registry)
    assert 'cycle: node a "A" (T_Add) needs node b "B" (T_Add) needs node a "A" (T_Add)' in text
    assert "1 problem" in text


def test_graph_without_output(registry) -> None:
    assert "add one that saves or previews" in problems(flow(n=("T_Number", {"value": 1})), registry)


def test_nodes_own_check(registry) -> None:
    workflow = flow(w=("T_Watch", {"path": "a.csv"}), s=("T_Show", {"text": Link("w", 0)}))
    assert 'node w "W" (T_Watch): only .txt files can be watched' in problems(workflow, registry)


def test_overrides_by_id_title_and_class(registry) -> None:
    workflow = flow(n=("T_Number", {"value": 1}), s=("T_Save", {"name": "x", "number": Link("n", 0)}))
    changed = apply_overrides(workflow, ["n.value=5", "S.name=a=b.txt", "T_Save.number=7"], registry)
    assert changed.nodes["n"].inputs == {"value": 5}
    assert changed.nodes["s"].inputs == {"name": "a=b.txt", "number": 7}
    assert workflow.nodes["n"].inputs == {"value": 1}


def test_override_of_a_number_by_text_is_found_by_validation(registry) -> None:
    workflow = flow(n=("T_Number", {"value": 1}), s=("T_Fail", {"number": Link("n", 0)}))
    assert "got the text 'much'" in problems(apply_overrides(workflow, ["n.value=much"], registry), registry)


def test_overrides_that_fit_nothing_are_named_together(registry) -> None:
    workflow = flow(n=("T_Number", {"value": 1}), m=("T_Number", {"value": 1}))
    with pytest.raises(WorkflowError) as caught:
        apply_overrides(workflow, ["n.valeu=1", "q.value=1", "T_Number.value=1", "nonsense"], registry)
    text = str(caught.value)
    assert "no input 'valeu'; did you mean value?" in text
    assert "no node 'q'" in text
    assert "'T_Number' names 2 nodes; use an id: n, m" in text
    assert "not of the form NODE.INPUT=VALUE" in text

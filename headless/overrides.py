"""``--set NODE.INPUT=VALUE``: change single inputs of a workflow from outside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ..engine.core.errors import WorkflowError
from ..engine.core.words import did_you_mean
from .io import Boolean, Float, Input, Int
from .workflow import Registry, Workflow, WorkflowNode


def apply_overrides(workflow: Workflow, assignments: Sequence[str], registry: Registry) -> Workflow:
    """A workflow with every ``NODE.INPUT=VALUE`` applied.

    Args:
        workflow: as read.
        assignments: ``NODE`` is a node's id, or a title or class that only one node has; ``VALUE`` is text, or a
            number or ``true`` or ``false`` for inputs that take one.
        registry: the known nodes.

    Raises:
        WorkflowError: with one line for each assignment that matches no input.
    """
    problems = []
    for assignment in assignments:
        try:
            node, name, value = _resolve(workflow, assignment, registry)
        except ValueError as error:
            problems.append(f"--set {assignment}: {error}")
            continue
        workflow = workflow.with_input(node.id, name, value)
    if problems:
        raise WorkflowError(
            "\n".join(problems), expected="--set NODE.INPUT=VALUE, with a node and an input of this workflow"
        )
    return workflow


def _resolve(workflow: Workflow, assignment: str, registry: Registry) -> tuple[WorkflowNode, str, Any]:
    address, equals, text = assignment.partition("=")
    node_name, dot, name = address.rpartition(".")
    if not (equals and dot and node_name and name):
        raise ValueError("not of the form NODE.INPUT=VALUE")
    node = _find(workflow, node_name)
    cls = registry.get(node.class_type)
    if cls is None:  # validation reports the unknown node
        return node, name, text
    schema = cls.GET_SCHEMA()
    inputs = {i.id: i for i in schema.inputs}
    if name not in inputs and schema.accept_all_inputs:
        return node, name, text
    if name not in inputs:
        raise ValueError(f"{node.label} has no input {name!r}{did_you_mean(name, inputs)}")
    return node, name, _value(text, inputs[name])


def _find(workflow: Workflow, name: str) -> WorkflowNode:
    if name in workflow.nodes:
        return workflow.nodes[name]
    nodes = list(workflow.nodes.values())
    found = [n for n in nodes if n.title == name] or [n for n in nodes if n.class_type == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(f"{name!r} names {len(found)} nodes; use an id: {', '.join(n.id for n in found)}")
    names = [*workflow.nodes, *(n.title for n in nodes if n.title), *(n.class_type for n in nodes)]
    raise ValueError(f"no node {name!r}{did_you_mean(name, names)}")


def _value(text: str, target: Input) -> Any:
    if not isinstance(target, (Int.Input, Float.Input, Boolean.Input)):
        return text
    try:
        return json.loads(text.lower() if isinstance(target, Boolean.Input) else text)
    except ValueError:
        return text  # validation says what was expected

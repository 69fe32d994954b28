"""Nodes of ComfyUI and of other extensions in a workflow: what of it runs without them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..engine.core.words import first_of
from .workflow import Link, Registry, Workflow, WorkflowNode

ONLY_INPUT = {
    "PrimitiveBoolean": "value",
    "PrimitiveFloat": "value",
    "PrimitiveInt": "value",
    "PrimitiveString": "value",
    "PrimitiveStringMultiline": "value",
    "SeedNode": "seed",
    "Seed (rgthree)": "seed",
}
"""Nodes that give the value of their only input."""
DRAWN_SEEDS = (-1, -2, -3)
"""With these, rgthree's node draws a seed or counts it on."""
ANY_SWITCH = "Any Switch (rgthree)"
"""Gives the first of its inputs that is linked."""


def foreign(workflow: Workflow, registry: Registry) -> list[WorkflowNode]:
    """The nodes that aren't ours, not even misspelled: the ids of ours share a prefix."""
    prefixes = {name.partition("_")[0] for name in registry}
    return [
        node
        for node in workflow.nodes.values()
        if node.class_type not in registry and node.class_type.partition("_")[0] not in prefixes
    ]


def without_relays(workflow: Workflow, registry: Registry) -> Workflow:
    """The workflow without the nodes that only pass a value on: what they pass on stands where it is taken."""
    nodes = workflow.nodes
    passed = {
        node.id: value
        for node in nodes.values()
        if node.class_type not in registry and (value := _passed_on(node)) is not None
    }
    if not passed:
        return workflow
    kept = {
        node.id: replace(node, inputs={name: _follow(value, passed) for name, value in node.inputs.items()})
        for node in nodes.values()
        if node.id not in passed
    }
    return replace(workflow, nodes=kept)


def _passed_on(node: WorkflowNode) -> Any:
    """The constant or link that a node passes on, or ``None`` if it does more."""
    if node.class_type == ANY_SWITCH:
        return next((value for name, value in node.inputs.items() if name.startswith("any_")), None)
    value = node.inputs.get(ONLY_INPUT.get(node.class_type, ""))
    return None if value in DRAWN_SEEDS and node.class_type == "Seed (rgthree)" else value


def _follow(value: Any, passed: dict[str, Any]) -> Any:
    """What a link leads to; a circle of relays stays as it is, so that validation can name it."""
    seen = set()
    while isinstance(value, Link) and value.node in passed and value.node not in seen:
        seen.add(value.node)
        value = passed[value.node]
    return value


def without_unneeded(workflow: Workflow, registry: Registry) -> Workflow:
    """The workflow without the foreign nodes that none of our outputs needs; a note names them."""
    classes = {node.class_type for node in workflow.nodes.values()} & set(registry)
    outputs = {name for name in classes if registry[name].GET_SCHEMA().is_output_node}
    if not outputs:
        return workflow  # then foreign nodes are the reason why nothing runs
    needed = workflow.needed_by(node.id for node in workflow.nodes.values() if node.class_type in outputs)
    left = {node.id: node for node in foreign(workflow, registry) if node.id not in needed}
    if not left:
        return workflow
    labels = first_of([node.label for node in left.values()])
    note = f"left out, as they only run in ComfyUI and nothing that runs here needs them: {labels}"
    nodes = {node_id: node for node_id, node in workflow.nodes.items() if node_id not in left}
    return replace(workflow, nodes=nodes, notes=(*workflow.notes, note))

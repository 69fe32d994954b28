"""Finds everything that is wrong with a workflow before any of it runs, and reports it at once."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from ..engine.core.errors import WorkbenchError, WorkflowError
from ..engine.core.words import did_you_mean, first_of
from .foreign_nodes import foreign
from .io import Boolean, Combo, ComfyNode, Float, Input, Int, NumberInput, Schema, String
from .schemas import Schemas
from .workflow import Link, Registry, Workflow, WorkflowNode

ANY_TYPE = "*"
_MOST_TOLD = 50
"""Problems."""

_ELSEWHERE = (
    "run this workflow in ComfyUI, for example by `comfy run --workflow FILE --wait`, or replace the nodes that need "
    "ComfyUI by nodes of LoRA Workbench."
)


def validate(workflow: Workflow, registry: Registry) -> list[WorkflowNode]:
    """Check a workflow.

    Returns:
        The output nodes and all that they depend on, dependencies first.

    Raises:
        WorkflowError: with one line for each problem, which names the node and the input.
    """
    strangers = foreign(workflow, registry)
    problems = list(_unknown_nodes(workflow, registry, strangers))
    made = Schemas(registry)
    schemas = {node.id: schema for node in workflow.nodes.values() if (schema := made.get(node.class_type))}
    outputs = [node_id for node_id, schema in schemas.items() if schema.is_output_node]
    order, cycles = _needed(workflow, outputs)
    problems += cycles
    if not outputs and not problems:
        problems.append("no output node: add one that saves or previews something")
    for node in order:
        if node.id in schemas:
            problems += _check_node(node, registry[node.class_type], workflow, schemas)
    if problems:
        told = [problem.replace("\n", "\n    ") for problem in problems[:_MOST_TOLD]]
        if len(problems) > _MOST_TOLD:
            told.append(f"and {len(problems) - _MOST_TOLD} more")
        raise WorkflowError(
            f"The workflow has {len(problems)} problem{'s' if len(problems) > 1 else ''}:\n  " + "\n  ".join(told),
            hint=_ELSEWHERE if strangers else "correct what is named above and run it again.",
        )
    return order


def _unknown_nodes(workflow: Workflow, registry: Registry, strangers: list[WorkflowNode]) -> Iterator[str]:
    for node in strangers:
        yield f"{node.label}: a node of ComfyUI or of another extension, which only runs in ComfyUI"
    known = {node.id for node in strangers}
    for node in workflow.nodes.values():
        if node.class_type not in registry and node.id not in known:
            yield f"{node.label}: unknown node{did_you_mean(node.class_type, registry)}"


def _needed(workflow: Workflow, outputs: list[str]) -> tuple[list[WorkflowNode], list[str]]:
    """(outputs and all that they depend on, dependencies first; a line for each cycle among them)."""
    order: list[WorkflowNode] = []
    cycles: list[str] = []
    done: set[str] = set()
    path: dict[str, None] = {}
    stack: list[tuple[str, bool]] = [(node_id, False) for node_id in reversed(outputs)]
    while stack:
        node_id, leaving = stack.pop()
        if leaving:
            path.popitem()
            done.add(node_id)
            order.append(workflow.nodes[node_id])
        elif node_id in path:
            circle = list(path)[list(path).index(node_id) :]
            cycles.append("cycle: " + " needs ".join(workflow.nodes[n].label for n in [*circle, node_id]))
        elif node_id not in done and node_id in workflow.nodes:
            path[node_id] = None
            stack.append((node_id, True))
            stack += [(link.node, False) for link in reversed(workflow.nodes[node_id].links.values())]
    return order, cycles


def _check_node(
    node: WorkflowNode, cls: type[ComfyNode], workflow: Workflow, schemas: Mapping[str, Schema]
) -> list[str]:
    own_checks = _checked_by_node(cls)
    inputs = schemas[node.id].inputs
    known = [i.id for i in inputs]
    problems = [
        f"{node.label}: no such input: {name}{did_you_mean(name, known)}"
        for name in node.inputs
        if name not in known and not schemas[node.id].accept_all_inputs
    ]
    for i in inputs:
        if i.id not in node.inputs:
            problem = "" if i.optional else f"missing, expected {_words(i)}"
        elif isinstance(value := node.inputs[i.id], Link):
            problem = _link_problem(value, i, workflow, schemas)
        else:
            problem = _value_problem(value, i, own_checks is None or i.id in own_checks)
        if problem:
            problems.append(f"{node.label}, input {i.id}: {problem}")
    return problems or list(_own_problem(node, cls, own_checks))


def _link_problem(link: Link, target: Input, workflow: Workflow, schemas: Mapping[str, Schema]) -> str:
    source = workflow.nodes.get(link.node)
    if source is None:
        return f"linked to node {link.node}, which is missing or muted"
    if source.id not in schemas:
        return ""  # the unknown node is reported itself
    outputs = schemas[source.id].outputs
    if not 0 <= link.output < len(outputs):
        return f"linked to output {link.output} of {source.label}, which has {len(outputs)}"
    given, taken = outputs[link.output].io_type, target.io_type
    if given not in taken.split(",") and ANY_TYPE not in (given, taken):
        return f"got {given} from {source.label}, expected {taken.replace(',', ' or ')}"
    return ""


def _value_problem(value: Any, target: Input, range_is_checked_by_node: bool) -> str:
    """What is wrong with a constant; empty if nothing is."""
    if not _fits(value, target):
        return f"got {_shown(value)}, expected {_words(target)}"
    if range_is_checked_by_node:
        return ""
    if isinstance(target, NumberInput):
        if target.min is not None and value < target.min:
            return f"got {value}, expected {target.min} or more"
        if target.max is not None and value > target.max:
            return f"got {value}, expected {target.max} or less"
    if isinstance(target, Combo.Input) and value not in target.choices:
        return f"got {value!r}, expected {_words(target)}{did_you_mean(str(value), target.choices)}"
    return ""


def _fits(value: Any, target: Input) -> bool:
    if isinstance(target, Int.Input):
        return isinstance(value, int) and not isinstance(value, bool)
    if isinstance(target, Float.Input):
        return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
    if isinstance(target, Boolean.Input):
        return isinstance(value, bool)
    return isinstance(target, (String.Input, Combo.Input)) and isinstance(value, str)


def _words(target: Input) -> str:
    if isinstance(target, Combo.Input):
        return f"one of {first_of(target.choices, 8)}" if target.choices else "a choice, but there is none yet"
    kinds = {Int: "a whole number", Float: "a number", Boolean: "true or false", String: "text"}
    words = [word for kind, word in kinds.items() if isinstance(target, kind.Input)]
    return words[0] if words else f"a link of type {target.io_type.replace(',', ' or ')}"


def _shown(value: Any) -> str:
    kinds = {str: "the text ", bool: "the switch ", list: "the list ", dict: "the object "}
    text = repr(value)
    return kinds.get(type(value), "") + (text if len(text) <= 60 else text[:57] + "…")


def _checked_by_node(cls: type[ComfyNode]) -> set[str] | None:
    """Inputs that the node's own ``validate_inputs`` checks; ``None`` means all of them."""
    if cls.validate_inputs.__func__ is ComfyNode.validate_inputs.__func__:  # type: ignore[attr-defined]
        return set()
    parameters = inspect.signature(cls.validate_inputs).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return {p.name for p in parameters}


def _own_problem(node: WorkflowNode, cls: type[ComfyNode], names: set[str] | None) -> Iterator[str]:
    """What the node's own check finds in inputs that fit its schema."""
    given = {name: None if isinstance(value, Link) else value for name, value in node.inputs.items()}
    wanted = given if names is None else {name: given[name] for name in sorted(names) if name in given}
    if not wanted:
        return
    try:
        verdict = cls.validate_inputs(**wanted)
    except WorkbenchError as error:
        verdict = str(error)
    except (OSError, ValueError) as error:  # text that can't be a path, such as a name of 300 characters
        verdict = f"its inputs can't be checked: {error}"
    if verdict is not True:
        yield f"{node.label}: {verdict or 'its own check rejected the inputs'}"

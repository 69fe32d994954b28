"""Workflows as tools: which of their inputs an agent sets, and what they may be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..headless.io import Boolean, Combo, Float, Input, Int, String
from ..headless.overrides import apply_overrides
from ..headless.preparing import prepare
from ..headless.reading import read_workflow
from ..headless.workflow import Registry, Workflow, WorkflowNode
from .names import InputPlace, argument_names

_MOST_CHOICES = 200
"""That a schema lists."""
_OWN_ARGUMENTS = ("set", "wait_seconds")
"""Of every workflow's tool, beside its inputs."""


@dataclass(frozen=True, kw_only=True)
class Exposed:
    """An input that an agent may set."""

    name: str
    """Of the tool's argument."""
    address: str
    """``NODE.INPUT``, by the node's id."""
    schema: Mapping[str, Any]
    """What values there may be, as JSON Schema."""


@dataclass(frozen=True, kw_only=True)
class WorkflowTool:
    """A workflow that agents may run."""

    name: str
    path: Path
    description: str
    inputs: tuple[Exposed, ...]


def workflow_tool(path: Path, registry: Registry) -> WorkflowTool:
    """What a workflow offers: what its app mode shows; where it has none, the values of all its inputs.

    Args:
        path: as for ``lora-workbench run``.
        registry: the known nodes.

    Raises:
        WorkflowError: it can't be read.
    """
    workflow = read_workflow(path, registry)
    chosen = [*_in_app_mode(workflow)] or [*_constants(workflow, registry)]
    known = [(workflow.nodes[node], name) for node, name in chosen if node in workflow.nodes]
    schemas = {InputPlace(name, node.title, node.id): _described(node, name, registry) for node, name in known}
    places = [place for place, schema in schemas.items() if schema is not None]
    exposed = tuple(
        Exposed(name=name, address=f"{place.node}.{place.name}", schema=schemas[place] or {})
        for place, name in zip(places, argument_names(places, _OWN_ARGUMENTS), strict=True)
    )
    about = f"Runs the workflow {path.name}: {_steps(workflow, registry)}."
    return WorkflowTool(name=path.stem, path=path, description=about, inputs=exposed)


def prepared(path: Path, values: Mapping[str, Any], registry: Registry) -> Workflow:
    """A workflow with some of its inputs set, ready to run.

    Args:
        path: of its file.
        values: ``NODE.INPUT`` -> value, as ``--set`` names them.
        registry: the known nodes.

    Raises:
        WorkflowError: it can't be read, or has no such input.
    """
    workflow = read_workflow(path, registry)
    told = [f"{address}={value if isinstance(value, str) else json.dumps(value)}" for address, value in values.items()]
    return prepare(apply_overrides(workflow, told, registry), registry)


def values_of(tool: WorkflowTool, arguments: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """``NODE.INPUT`` -> value of a call, checked against the workflow.

    Args:
        tool: what it offers.
        arguments: the exposed inputs by name, and others in ``set``.
        registry: the known nodes.

    Raises:
        WorkflowError: it has no such input.
    """
    by_name = {exposed.name: exposed.address for exposed in tool.inputs}
    values = {by_name[name]: value for name, value in arguments.items() if name in by_name}
    values |= arguments.get("set", {})
    prepared(tool.path, values, registry)
    return values


def _in_app_mode(workflow: Workflow) -> Iterator[tuple[str, str]]:
    """(node, input) of what the front end's app mode shows."""
    graph = workflow.graph or {}
    extra = graph.get("extra")
    linear = extra.get("linearData") if isinstance(extra, dict) else None
    for pair in linear.get("inputs", []) if isinstance(linear, dict) else []:
        if isinstance(pair, list) and len(pair) >= 2:
            yield str(pair[0]), str(pair[1])


def _constants(workflow: Workflow, registry: Registry) -> Iterator[tuple[str, str]]:
    for node in workflow.nodes.values():
        if node.class_type in registry:
            yield from ((node.id, name) for name in node.constants)


def _described(node: WorkflowNode, name: str, registry: Registry) -> dict[str, Any] | None:
    """What values an input of a node may have, as JSON Schema; ``None`` if it takes no plain value."""
    cls = registry.get(node.class_type)
    declared = next((i for i in cls.GET_SCHEMA().inputs if i.id == name), None) if cls else None
    schema = _schema(declared) if declared else None
    if schema is None or declared is None:
        return None
    told = f"{getattr(declared, 'tooltip', '') or ''} Of {node.label}.".strip()
    schema |= {"description": told}
    if (value := node.constants.get(name)) is not None:
        schema |= {"default": value}
    return schema


def _schema(declared: Input) -> dict[str, Any] | None:
    if isinstance(declared, Boolean.Input):
        return {"type": "boolean"}
    if isinstance(declared, (Int.Input, Float.Input)):
        bounds = {"minimum": declared.min, "maximum": declared.max}
        kind = "integer" if isinstance(declared, Int.Input) else "number"
        return {"type": kind, **{name: bound for name, bound in bounds.items() if bound is not None}}
    if isinstance(declared, Combo.Input):
        return {"type": "string", "enum": [*declared.choices][:_MOST_CHOICES]}
    return {"type": "string"} if isinstance(declared, String.Input) else None


def _steps(workflow: Workflow, registry: Registry) -> str:
    """What its output nodes are for, in words."""
    titles = []
    for node in workflow.nodes.values():
        cls = registry.get(node.class_type)
        if cls and cls.GET_SCHEMA().is_output_node:
            titles.append(node.title or cls.GET_SCHEMA().display_name or node.class_type)
    return ", ".join(dict.fromkeys(titles)) or f"{len(workflow.nodes)} nodes"

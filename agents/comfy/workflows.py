"""Workflows of this machine as graphs for a running ComfyUI."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ...engine.core.errors import WorkflowError
from ...headless.overrides import apply_overrides
from ...headless.reading import read_workflow
from ...headless.workflow import Registry, WorkflowNode
from .server import Graph, Server
from .stock import ServersNodes

_BY_CHOICE = "COMFY_DYNAMICCOMBO_V3"
"""Inputs whose widgets depend on a choice; files in UI format name none of them."""


class Made(NamedTuple):
    """A workflow that ComfyUI can run."""

    graph: Graph
    more: Mapping[str, Any]
    """``extra_data``: the canvas, for pictures."""
    notes: tuple[str, ...]
    """What of the file isn't used, a line each."""


def read_for(server: Server, path: Path, values: Mapping[str, Any]) -> Made:
    """A workflow as a graph, with some of its inputs set.

    Args:
        server: that is to run it, and knows its nodes.
        path: of a file as for ``lora-workbench run``.
        values: ``NODE.INPUT`` -> value, as ``--set`` names them.

    Raises:
        WorkflowError: it can't be read, or has no such input.
        ServerError: the server can't be asked for its nodes.
    """
    nodes = ServersNodes(server)
    workflow = read_workflow(path, nodes)
    told = [f"{address}={value if isinstance(value, str) else json.dumps(value)}" for address, value in values.items()]
    canvas = workflow.graph
    if canvas is not None:
        _refuse_choices(workflow.nodes.values(), nodes, path)
    workflow = apply_overrides(workflow, told, nodes)
    more = {"extra_pnginfo": {"workflow": canvas}} if canvas is not None and not told else {}
    return Made(workflow.prompt(), more, workflow.notes)


def _refuse_choices(found: Iterable[WorkflowNode], nodes: Registry, path: Path) -> None:
    for node in found:
        schema = nodes[node.class_type].GET_SCHEMA() if node.class_type in nodes else None
        if schema and any(i.io_type == _BY_CHOICE for i in schema.inputs):
            raise WorkflowError(
                f"{path.name}: the widgets of {node.label} depend on a choice, and can't be read from this file.",
                expected="such nodes in a file in API format",
                hint="let the user save it in ComfyUI by File, Export (API).",
            )

"""Reads workflow files in UI or API format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from ..engine.core.errors import WorkflowError
from .ui_format import convert
from .workflow import Link, Registry, Workflow, WorkflowNode


def read_workflow(path: Path, registry: Registry) -> Workflow:
    """Read a workflow file in UI or API format.

    Args:
        path: a JSON file.
        registry: the known nodes; their schemas name the widgets in UI-format files.

    Raises:
        WorkflowError: the file can't be read, or isn't a workflow.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WorkflowError(
            f"The workflow {path} can't be read: {error.strerror or error}.", hint="check the path."
        ) from error
    except (ValueError, RecursionError) as error:
        raise _not_a_workflow(path, f"it isn't JSON ({error})") from error
    if not isinstance(data, dict) or not data:
        raise _not_a_workflow(path, "it isn't a JSON object with nodes")
    if isinstance(data.get("nodes"), list):
        try:
            return Workflow(nodes=convert(data, registry), graph=data)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise _not_a_workflow(path, f"a node or link is incomplete ({error!r})") from error
    return Workflow(nodes=_from_api(data, path))


def _from_api(data: dict[str, Any], path: Path) -> dict[str, WorkflowNode]:
    nodes = {}
    for node_id, entry in data.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("class_type"), str):
            raise _not_a_workflow(path, f"entry {node_id!r} has no class_type")
        inputs = entry.get("inputs", {})
        if not isinstance(inputs, dict):
            raise _not_a_workflow(path, f"the inputs of node {node_id!r} aren't a JSON object")
        title = entry["_meta"].get("title", "") if isinstance(entry.get("_meta"), dict) else ""
        nodes[node_id] = WorkflowNode(
            id=node_id,
            class_type=entry["class_type"],
            title=str(title),
            inputs={name: _from_api_value(value) for name, value in inputs.items()},
        )
    return nodes


def _from_api_value(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 2 and isinstance(value[0], (str, int)) and type(value[1]) is int:
        return Link(str(value[0]), value[1])
    if isinstance(value, dict) and set(value) == {"__value__"}:
        return value["__value__"]
    return value


def _not_a_workflow(path: Path, reason: str) -> WorkflowError:
    return WorkflowError(
        f"{path} is not a workflow: {reason}.",
        expected="a workflow that ComfyUI saved (File > Save, or File > Export (API))",
        hint="save the workflow again, or start from one in the project's workflows/ folder.",
    )

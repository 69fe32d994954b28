"""A workflow as a value: nodes by id, each with its constants and links; read from UI- or API-format JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from ....engine.errors import WorkflowError
from .io import ComfyNode

Registry = Mapping[str, type[ComfyNode]]
"""Node id as in ``class_type`` -> node class."""


class Link(NamedTuple):
    """An input's source."""

    node: str
    output: int


@dataclass(frozen=True, kw_only=True)
class WorkflowNode:
    """One node of a workflow."""

    id: str
    class_type: str
    title: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """Input id -> constant or :class:`Link`."""

    @property
    def label(self) -> str:
        """For example ``node 3 "Train the dog" (LW_TrainLoRA)``."""
        title = f' "{self.title}"' if self.title and self.title != self.class_type else ""
        return f"node {self.id}{title} ({self.class_type})"

    @property
    def links(self) -> dict[str, Link]:
        return {name: value for name, value in self.inputs.items() if isinstance(value, Link)}

    @property
    def constants(self) -> dict[str, Any]:
        return {name: value for name, value in self.inputs.items() if not isinstance(value, Link)}


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """The nodes that take part: muted and bypassed ones, reroutes and notes are resolved away."""

    nodes: Mapping[str, WorkflowNode]
    graph: dict[str, Any] | None = None
    """The UI-format JSON that this was read from, as long as it still says the same."""

    def prompt(self) -> dict[str, Any]:
        """The workflow in API format."""
        return {
            node.id: {
                "class_type": node.class_type,
                "inputs": {name: _as_api(value) for name, value in node.inputs.items()},
                "_meta": {"title": node.title or node.class_type},
            }
            for node in self.nodes.values()
        }

    def with_input(self, node_id: str, name: str, value: Any) -> Workflow:
        """The same workflow with one input set to a constant; the UI-format graph no longer fits and is dropped."""
        node = self.nodes[node_id]
        changed = replace(node, inputs={**node.inputs, name: value})
        return Workflow(nodes={**self.nodes, node_id: changed})


def read_workflow(path: Path, registry: Registry) -> Workflow:
    """Read a workflow file in UI or API format.

    Args:
        path: a JSON file.
        registry: the known nodes, whose schemas name the widgets of UI-format files.

    Raises:
        WorkflowError: the file can't be read, or isn't a workflow.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WorkflowError(
            f"The workflow {path} can't be read: {error.strerror or error}.", hint="check the path."
        ) from error
    except ValueError as error:
        raise _not_a_workflow(path, f"it isn't JSON ({error})") from error
    if not isinstance(data, dict) or not data:
        raise _not_a_workflow(path, "it isn't a JSON object with nodes in it")
    if isinstance(data.get("nodes"), list):
        from .ui_format import convert

        try:
            return Workflow(nodes=convert(data, registry), graph=data)
        except (KeyError, TypeError, AttributeError, IndexError) as error:
            raise _not_a_workflow(path, f"a node or link lacks something ({error!r})") from error
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


def _as_api(value: Any) -> Any:
    if isinstance(value, Link):
        return [value.node, value.output]
    return {"__value__": value} if isinstance(value, list) else value


def _not_a_workflow(path: Path, reason: str) -> WorkflowError:
    return WorkflowError(
        f"{path} is not a workflow: {reason}.",
        expected="a workflow that ComfyUI saved (File > Save, or File > Export (API))",
        hint="save the workflow again, or start from one in the project's workflows/ folder.",
    )

"""A workflow as a value: nodes by id, each with its constants and links."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from .io import ComfyNode

Registry = Mapping[str, type[ComfyNode]]
"""Node id as in ``class_type`` -> node class."""
_MOST_SHOWN = 200
"""Characters of a name in messages."""


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
        """For example ``node 3 "Train the dog" (LW_TrainLoRA)``; absurdly long names are cut."""
        node_id, kind, name = (text[:_MOST_SHOWN] for text in (self.id, self.class_type, self.title))
        title = f' "{name}"' if name and name != kind else ""
        return f"node {node_id}{title} ({kind})"

    @property
    def links(self) -> dict[str, Link]:
        return {name: value for name, value in self.inputs.items() if isinstance(value, Link)}

    @property
    def constants(self) -> dict[str, Any]:
        return {name: value for name, value in self.inputs.items() if not isinstance(value, Link)}


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """The nodes that run: subgraphs, muted and bypassed nodes, reroutes and notes are resolved."""

    nodes: Mapping[str, WorkflowNode]
    graph: dict[str, Any] | None = None
    """The UI-format JSON that this was read from, unless an input was changed since."""
    notes: tuple[str, ...] = ()
    """What of the file isn't used or was read in another way than it is written, a line for each."""

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

    def needed_by(self, node_ids: Iterable[str]) -> set[str]:
        """Ids of these nodes and of all that they depend on."""
        needed: set[str] = set()
        waiting = list(node_ids)
        while waiting:
            node_id = waiting.pop()
            if node_id in self.nodes and node_id not in needed:
                needed.add(node_id)
                waiting += [link.node for link in self.nodes[node_id].links.values()]
        return needed

    def with_input(self, node_id: str, name: str, value: Any) -> Workflow:
        """The workflow with one input set to a constant. The UI-format graph no longer matches and is dropped."""
        node = self.nodes[node_id]
        changed = replace(node, inputs={**node.inputs, name: value})
        return replace(self, nodes={**self.nodes, node_id: changed}, graph=None)


def _as_api(value: Any) -> Any:
    if isinstance(value, Link):
        return [value.node, value.output]
    return {"__value__": value} if isinstance(value, list) else value

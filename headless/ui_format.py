"""Turns the front end's workflow files, which describe a canvas, into the nodes that run.

The front end saves widget values by position only, so it takes the nodes' schemas to name them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .io import Input, Int, Schema, WidgetInput
from .workflow import Link, Registry, WorkflowNode

MUTED, BYPASSED = 2, 4
NOTES = {"Note", "MarkdownNote"}
REROUTE, PRIMITIVE = "Reroute", "PrimitiveNode"
AFTER_GENERATE = {"fixed", "increment", "decrement", "randomize"}
SEED_NAMES = {"seed", "noise_seed"}


def convert(data: dict[str, Any], registry: Registry) -> dict[str, WorkflowNode]:
    """The nodes that run, by id.

    Muted and bypassed nodes, reroutes, primitives and notes are left out; what was linked through them is linked
    directly. An input fed by a muted node falls back to its widget's value or to nothing; a required one without a
    widget keeps its link, so that validation can name it.

    Raises:
        KeyError, TypeError, ValueError, AttributeError, IndexError: the file isn't a workflow.
    """
    graph = _Graph(data)
    nodes = {}
    for entry in data["nodes"]:
        if entry["type"] in NOTES | {REROUTE, PRIMITIVE} or entry.get("mode", 0) in (MUTED, BYPASSED):
            continue
        node_id, class_type = str(entry["id"]), str(entry["type"])
        schema = registry[class_type].GET_SCHEMA() if class_type in registry else None
        nodes[node_id] = WorkflowNode(
            id=node_id, class_type=class_type, title=str(entry.get("title") or ""), inputs=graph.inputs(entry, schema)
        )
    return nodes


class _Graph:
    """Nodes and links of a UI-format file, by id."""

    def __init__(self, data: dict[str, Any]) -> None:
        self._nodes = {str(node["id"]): node for node in data["nodes"]}
        self._links = dict(_link(entry) for entry in data.get("links") or [])

    def inputs(self, entry: dict[str, Any], schema: Schema | None) -> dict[str, Any]:
        """Constants and links of a node; links alone if its schema isn't known."""
        inputs = named_widgets(schema, entry.get("widgets_values")) if schema else {}
        required = {i.id for i in schema.inputs if not i.optional} if schema else set()
        for slot in entry.get("inputs") or []:
            if slot.get("link") is None:
                continue
            source = self._source(slot["link"])
            if source is not None:
                inputs[slot["name"]] = source
            elif slot["name"] in required:
                inputs.setdefault(slot["name"], self._links[slot["link"]])
        return inputs

    def _source(self, link_id: Any) -> Any:
        """What a link leads back to: a :class:`Link`, a primitive's constant, or ``None`` if nothing feeds it."""
        seen = set()
        while link_id is not None and link_id not in seen:
            seen.add(link_id)
            link = self._links[link_id]
            node = self._nodes.get(link.node)
            if node is None:
                return link
            if node.get("mode", 0) == MUTED:
                return None
            if node["type"] == PRIMITIVE:
                return node["widgets_values"][0]
            if node["type"] == REROUTE:
                link_id = node["inputs"][0].get("link")
            elif node.get("mode", 0) == BYPASSED:
                link_id = _through(node, link.output)
            else:
                return link
        return None


def _link(entry: Any) -> tuple[Any, Link]:
    if isinstance(entry, dict):
        return entry["id"], Link(str(entry["origin_id"]), int(entry["origin_slot"]))
    return entry[0], Link(str(entry[1]), int(entry[2]))


def _through(node: dict[str, Any], output: int) -> Any:
    """The link that feeds a bypassed node's output: the same slot's if its type fits, else the first that does."""
    wanted = node["outputs"][output]["type"]
    inputs = node.get("inputs") or []
    for slot in [*inputs[output : output + 1], *inputs]:
        if slot.get("type") == wanted and slot.get("link") is not None:
            return slot["link"]
    return None


def named_widgets(schema: Schema, values: Any) -> dict[str, Any]:
    """Widget values by input id; values missing from the file get the schema's default.

    Args:
        schema: of the node.
        values: the file's ``widgets_values``: a list in the order of the widgets, or a mapping.
    """
    if isinstance(values, dict):
        return {w.id: values.get(w.id, w.default) for w in widgets(schema) if values.get(w.id, w.default) is not None}
    left = list(values or [])
    named = {}
    for widget in widgets(schema):
        value = left.pop(0) if left else None
        value = widget.default if value is None else value
        if value is not None:
            named[widget.id] = value
        if changes_after_generate(widget) and left and left[0] in AFTER_GENERATE:
            left.pop(0)
    return named


def widgets(schema: Schema) -> Iterator[WidgetInput]:
    """The inputs with a widget, in the front end's order: required ones first."""
    for i in sorted(schema.inputs, key=lambda i: i.optional):
        if isinstance(i, WidgetInput) and not i.force_input:
            yield i


def changes_after_generate(widget: Input) -> bool:
    """Whether the front end adds a widget after this one that changes it after each run."""
    return isinstance(widget, Int.Input) and bool(widget.options.get("control_after_generate", widget.id in SEED_NAMES))

"""Turns the front end's workflow files, which describe a canvas, into the nodes that run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ..engine.core.words import first_of
from .canvas import BYPASSED, MUTED, Canvas, CanvasNode, Slot, read_canvas, read_definitions
from .foreign_nodes import ONLY_INPUT
from .group_nodes import unpack_groups
from .io import Schema
from .schemas import Schemas
from .subgraphs import NO_WIDGET, UNSET, Level, unpack
from .tracing import Constant, Nothing, Tracer, label
from .virtual_nodes import VIRTUAL, first_value
from .widgets import has_widget, in_order, named_widgets, split_widgets
from .workflow import Link, Registry, WorkflowNode


def convert(data: Mapping[str, Any], registry: Registry) -> tuple[dict[str, WorkflowNode], list[str]]:
    """(the nodes that run, by id; a line for each thing of the file that isn't used).

    Muted and bypassed nodes, reroutes, primitives and notes are left out, and subgraphs are unpacked; what was linked
    through them is linked directly. An input fed by nothing that runs falls back to its widget's value or to nothing; a
    required one without a widget keeps its link, so that validation can name it.

    Raises:
        MalformedError: the file isn't a workflow.
    """
    return _Conversion(data, Schemas(registry)).result()


class _Conversion:
    """One file's way to the nodes that run."""

    def __init__(self, data: Mapping[str, Any], schemas: Schemas) -> None:
        self._schemas = schemas
        data = unpack_groups(data, schemas)
        definitions = read_definitions(data)
        self._definitions = {name: self._complete(canvas, definitions) for name, canvas in definitions.items()}
        root = self._complete(read_canvas(data), definitions)
        self._levels = unpack(root, self._definitions, self._widget_of)
        self._tracer = Tracer()
        self._notes: list[str] = []

    def result(self) -> tuple[dict[str, WorkflowNode], list[str]]:
        unreadable = sum({id(level.canvas): level.canvas.unreadable_links for level in self._levels}.values())
        if unreadable:
            self._notes.append(f"{unreadable} of the workflow's links can't be read and aren't used")
        nodes = {}
        for level in self._levels:
            for node in level.canvas.nodes.values():
                if node.type in VIRTUAL or node.type in self._definitions or node.mode in (MUTED, BYPASSED):
                    continue
                node_id = level.id_of(node)
                inputs = self._inputs(level, node)
                nodes[node_id] = WorkflowNode(id=node_id, class_type=node.type, title=node.title, inputs=inputs)
        return nodes, self._notes

    def _complete(self, canvas: Canvas, definitions: Mapping[str, Canvas]) -> Canvas:
        """The canvas with all inputs of its nodes in their order. Files leave out those that nothing is linked to."""
        return replace(canvas, nodes={n: self._completed(node, definitions) for n, node in canvas.nodes.items()})

    def _completed(self, node: CanvasNode, definitions: Mapping[str, Canvas]) -> CanvasNode:
        schema, definition = self._schemas.get(node.type), definitions.get(node.type)
        if schema is not None:
            wanted = [Slot(i.id, i.io_type, is_widget=has_widget(i)) for i in in_order(schema)]
            outputs = tuple(o.io_type for o in schema.outputs)
        elif definition is not None:
            wanted = [Slot(slot.name, slot.type) for slot in definition.inputs]
            outputs = tuple(slot.type for slot in definition.outputs)
        else:
            return node
        links = {slot.name: slot.link for slot in node.inputs}
        inputs = [replace(slot, link=links.get(slot.name)) for slot in wanted]
        known = {slot.name for slot in wanted}
        return replace(node, inputs=(*inputs, *(s for s in node.inputs if s.name not in known)), outputs=outputs)

    def _widget_of(self, node: CanvasNode, slot: Slot) -> Any:
        """The value of an input's widget, as :data:`.subgraphs.WidgetOf`."""
        schema = self._schemas.get(node.type)
        if schema is not None and slot.is_widget:
            return named_widgets(schema, node.values).get(slot.name, UNSET)
        if ONLY_INPUT.get(node.type) == slot.name and first_value(node) is not None:
            return first_value(node)
        return UNSET if slot.is_widget else NO_WIDGET

    def _inputs(self, level: Level, node: CanvasNode) -> dict[str, Any]:
        """Constants and links of a node; links alone if it isn't known."""
        schema = self._schemas.get(node.type)
        inputs = dict(self._constants(level, node, schema))
        known = {i.id: i for i in schema.inputs} if schema else {}
        for place, slot in enumerate(node.inputs):
            if slot.link is None:
                continue
            source = self._tracer.source(level, node, place)
            where = f"{label(level, node)}, input {slot.name}"
            if schema and slot.name not in known:
                self._notes.append(f"{where}: the node has no such input, so its link isn't used")
            elif isinstance(source, Constant):
                inputs[slot.name] = source.value
            elif isinstance(source, Link):
                inputs[slot.name] = source
            elif schema and source.why:
                self._tell_nothing(where, source, inputs.get(slot.name))
                if not known[slot.name].optional and source.link is not None:
                    inputs.setdefault(slot.name, source.link)
        return inputs

    def _constants(self, level: Level, node: CanvasNode, schema: Schema | None) -> Iterator[tuple[str, Any]]:
        if schema is None:
            if node.type in ONLY_INPUT and first_value(node) is not None:
                yield ONLY_INPUT[node.type], first_value(node)
        else:
            named, left = split_widgets(schema, node.values)
            yield from named.items()
            if left:
                shown = first_of([_short(value) for value in left])
                self._notes.append(f"{label(level, node)}: no widget takes these values of the file: {shown}")
        yield from ((name, value) for (node_id, name), value in level.values.items() if node_id == node.id)

    def _tell_nothing(self, where: str, source: Nothing, value: Any) -> None:
        instead = "nothing comes in" if value is None else f"its own value is used, {_short(value)}"
        self._notes.append(f"{where}: {source.why}; {instead}")


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"

"""Group nodes, which front ends before 1.24 had, as the subgraphs that newer ones make of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .canvas import ENTRANCE, EXIT, MOST_NODES, MalformedError
from .schemas import Schemas
from .virtual_nodes import PRIMITIVE, REROUTES
from .widgets import AFTER_GENERATE, has_widget, in_order, named_widgets

PREFIXES = ("workflow>", "workflow/")
"""Of a group node's type; its name follows."""


def unpack_groups(data: Mapping[str, Any], schemas: Schemas) -> Mapping[str, Any]:
    """A workflow whose group nodes are instances of subgraphs. Ids stay as they were: ``5:0`` is the first node in 5.

    Raises:
        MalformedError: a group isn't as it must be.
    """
    extra = data.get("extra")
    groups = extra.get("groupNodes") if isinstance(extra, Mapping) else None
    nodes = data.get("nodes")
    if not isinstance(groups, Mapping) or not isinstance(nodes, list):
        return data
    definitions: list[dict[str, Any]] = []
    changed = []
    count = 0
    for node in nodes:
        kind = node.get("type") if isinstance(node, Mapping) else None
        if isinstance(kind, str) and kind.startswith(PREFIXES):
            name = kind[len(PREFIXES[0]) :]
            try:
                group = _Group(groups[name], schemas)
                count += len(groups[name]["nodes"])
                definition, inputs = group.as_subgraph(node), group.inputs_of(node)
            except (LookupError, ArithmeticError, TypeError, ValueError, AttributeError) as error:
                raise MalformedError(f"its group node {name!r} can't be unpacked ({error!r})") from error
            if count > MOST_NODES:
                raise MalformedError(f"its group nodes unpack to more than {MOST_NODES} nodes")
            definition |= {"id": f"{name} #{len(definitions)}", "name": name}
            definitions.append(definition)
            changed.append({**node, "type": definition["id"], "inputs": inputs, "widgets_values": None})
        else:
            changed.append(node)
    if not definitions:
        return data
    others = data.get("definitions") or {}
    subgraphs = others.get("subgraphs") if isinstance(others, Mapping) else None
    return {**data, "nodes": changed, "definitions": {"subgraphs": [*(subgraphs or []), *definitions]}}


class _Shown(NamedTuple):
    """An input of a node inside that shows on the group node."""

    name: str
    """On the group node."""
    node: int
    input: str
    is_socket: bool
    has_value: bool


class _Group:
    """The definition of a group node.

    Args:
        data: an entry of ``extra.groupNodes``.
        schemas: of the known nodes; they say which inputs are widgets.
    """

    def __init__(self, data: Mapping[str, Any], schemas: Schemas) -> None:
        self._nodes = [dict(node) for node in data["nodes"]]
        if any(str(node["type"]).startswith(PREFIXES) for node in self._nodes):
            raise ValueError("it contains another group node: open and save it in ComfyUI first")
        self._links = [link for link in data.get("links") or [] if link[0] is not None and link[2] is not None]
        self._giving, self._taking = {link[0] for link in self._links}, {link[2] for link in self._links}
        self._external = {(e[0], e[1]) for e in data.get("external") or []}
        self._config = data.get("config") or {}
        self._schemas = schemas
        self._fed = {(link[2], self._input_name(link[2], link[3])) for link in self._links}
        self._shown = list(self._exposed())

    def _input_name(self, node: int, place: int) -> str:
        return self._nodes[node]["inputs"][place]["name"]

    def _exposed(self) -> Iterator[_Shown]:
        """What shows, in the front end's order: each node's widgets and sockets, then widgets converted to inputs."""
        seen: dict[str, int] = {}
        converted: list[tuple[int, str]] = []
        for index, node in enumerate(self._nodes):
            widgets, sockets = self._inputs_of(index)
            slots = {slot["name"] for slot in node.get("inputs") or [] if slot.get("widget")}
            converted += [(index, name) for name in widgets if name in slots and (index, name) not in self._fed]
            for name in widgets:
                if name not in slots:
                    yield _Shown(self._name(index, name, seen), index, name, is_socket=False, has_value=True)
            for name in sockets:
                if (index, name) not in self._fed:
                    shown = self._name(index, name, seen)
                    if self._setting(index, "input", name).get("visible") is not False:
                        yield _Shown(shown, index, name, is_socket=True, has_value=False)
        for index, name in converted:
            yield _Shown(self._name(index, name, seen), index, name, is_socket=True, has_value=True)

    def _inputs_of(self, index: int) -> tuple[list[str], list[str]]:
        """(widgets, sockets) of a node, by name."""
        node = self._nodes[index]
        schema = self._schemas.get(node["type"])
        gives = index in self._giving
        if schema is not None:
            inputs = in_order(schema)
            return [i.id for i in inputs if has_widget(i)], [i.id for i in inputs if not has_widget(i)]
        if node["type"] == PRIMITIVE:
            return (["value"] if gives else []), []
        slots = node.get("inputs") or []
        is_inner = gives and index in self._taking and (index, 0) not in self._external
        if node["type"] in REROUTES and is_inner:
            return [], []
        return [], [slot["name"] for slot in slots if not slot.get("widget")]

    def _name(self, index: int, name: str, seen: dict[str, int]) -> str:
        """The name of an input on the group node, which nothing else there has."""
        node = self._nodes[index]
        labels = {slot["name"]: slot.get("label") for slot in node.get("inputs") or []}
        shown = key = self._setting(index, "input", name).get("name") or labels.get(name) or name
        if (node["type"] == PRIMITIVE and node.get("title")) or shown in seen:
            prefix = f"{node.get('title') or node['type']} "
            shown = key = prefix + name
            if shown in seen:
                shown = f"{prefix}{seen[shown]} {name}"
        seen[key] = seen.get(key, 1) + 1
        return shown

    def _setting(self, index: int, side: str, name: str) -> Mapping[str, Any]:
        return ((self._config.get(str(index)) or {}).get(side) or {}).get(name) or {}

    def inputs_of(self, node: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The inputs of a group node, by the names that they have in the subgraph."""
        given = {slot["name"]: slot.get("link") for slot in node.get("inputs") or []}
        return [{"name": s.name, "type": "*", "link": given.get(s.name)} for s in self._shown if s.is_socket]

    def as_subgraph(self, node: Mapping[str, Any]) -> dict[str, Any]:
        """The definition of a subgraph that only this group node uses, so that it can hold its values."""
        nodes = self._filled(node.get("widgets_values"))
        links = [_link(place, *map(int, link[:4])) for place, link in enumerate(self._links)]
        for link in links:
            nodes[link["target_id"]]["inputs"][link["target_slot"]]["link"] = link["id"]
        inputs, outputs = [], []
        for shown in (s for s in self._shown if s.is_socket):
            slot = _slot(nodes[shown.node]["inputs"], shown.input)
            link = _link(len(links), int(ENTRANCE), len(inputs), shown.node, nodes[shown.node]["inputs"].index(slot))
            slot["link"] = link["id"]
            links.append(link)
            inputs.append({"name": shown.name, "type": slot.get("type"), "linkIds": [link["id"]]})
        for index, place in self._outputs():
            link = _link(len(links), index, place, int(EXIT), len(outputs))
            links.append(link)
            outputs.append({"name": str(len(outputs)), "type": "*", "linkIds": [link["id"]]})
        return {"nodes": nodes, "links": links, "inputs": inputs, "outputs": outputs}

    def _outputs(self) -> Iterator[tuple[int, int]]:
        """(node, output) of what the group node gives: what nothing inside takes, and what is taken outside too."""
        inside = {(link[0], link[1]) for link in self._links}
        for index, node in enumerate(self._nodes):
            for place in range(len(node.get("outputs") or [])):
                shows = (index, place) not in inside or (index, place) in self._external
                if self._setting(index, "output", str(place)).get("visible", shows):
                    yield index, place

    def _filled(self, values: Any) -> list[dict[str, Any]]:
        """Copies of the nodes with the values that the group node shows."""
        nodes = []
        for index, node in enumerate(self._nodes):
            schema = self._schemas.get(node["type"])
            own = node.get("widgets_values")
            nodes.append({
                **node, "id": index, "inputs": [{**slot, "link": None} for slot in node.get("inputs") or []],
                "widgets_values": named_widgets(schema, own) if schema else own,
            })  # fmt: skip
        for shown, value in self._shown_values(values):
            if nodes[shown.node]["type"] == PRIMITIVE:
                nodes[shown.node]["widgets_values"] = [value]
            else:
                nodes[shown.node]["widgets_values"][shown.input] = value
        return nodes

    def _shown_values(self, values: Any) -> Iterator[tuple[_Shown, Any]]:
        wanted = [shown for shown in self._shown if shown.has_value]
        if isinstance(values, Mapping):
            yield from ((shown, values[shown.name]) for shown in wanted if values.get(shown.name) is not None)
            return
        left = list(values or [])[::-1]
        for shown in wanted:
            if not left:
                return
            value = left.pop()
            if value is not None:
                yield shown, value
            if left and left[-1] in AFTER_GENERATE and isinstance(value, (int, float)):
                left.pop()


def _link(link_id: int, origin: int, origin_slot: int, target: int, target_slot: int) -> dict[str, int]:
    ends = {"origin_id": origin, "origin_slot": origin_slot, "target_id": target, "target_slot": target_slot}
    return {"id": link_id, **ends}


def _slot(slots: list[dict[str, Any]], name: str) -> dict[str, Any]:
    """The input of that name; added if the file leaves it out."""
    for slot in slots:
        if slot["name"] == name:
            return slot
    slots.append({"name": name, "type": "*", "link": None})
    return slots[-1]

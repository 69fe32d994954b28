"""A canvas as the front end saves it: nodes with slots, links, and subgraphs, which are canvases with a boundary.

Both of its formats are read: 0.4, where links are lists, and 1.0, where they are objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

MUTED, BYPASSED = 2, 4
ENTRANCE = "-10"
"""Id of the node that a subgraph's inputs come from."""
EXIT = "-20"
"""Id of the node that a subgraph's outputs go to."""
MOST_NODES = 100_000
"""Of one workflow, with those of its subgraphs as often as they are used."""
_ANY = {"", "*", "0"}


class MalformedError(ValueError):
    """A file isn't a canvas; the message says what is wrong, as half a sentence."""


@dataclass(frozen=True)
class Slot:
    """An input of a node, or an input or output of a subgraph."""

    name: str
    type: str
    link: str | None = None
    """Id of the link that ends here."""
    inside: tuple[str, ...] = ()
    """Ids of the links that a subgraph's own slot has inside."""
    is_widget: bool = False
    """Whether a widget belongs to this input."""


@dataclass(frozen=True)
class CanvasLink:
    origin: str
    origin_slot: int
    target: str
    target_slot: int


@dataclass(frozen=True)
class CanvasNode:
    id: str
    type: str
    title: str = ""
    mode: int = 0
    inputs: tuple[Slot, ...] = ()
    outputs: tuple[str, ...] = ()
    """Types."""
    values: Any = None
    """``widgets_values``: a list in the order of the widgets, or a mapping."""
    properties: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Canvas:
    nodes: Mapping[str, CanvasNode]
    links: Mapping[str, CanvasLink]
    inputs: tuple[Slot, ...] = ()
    """Of a subgraph."""
    outputs: tuple[Slot, ...] = ()
    """Of a subgraph."""
    name: str = ""
    unreadable_links: int = 0

    @cached_property
    def entrances(self) -> dict[int, list[tuple[CanvasNode, Slot]]]:
        """Place of a subgraph's input -> the inputs of nodes inside that it leads to, in the order of its links."""
        found: dict[int, list[tuple[CanvasNode, Slot]]] = {}
        for node in self.nodes.values():
            for slot in node.inputs:
                link = self.links.get(slot.link or "")
                if link and link.origin == ENTRANCE:
                    found.setdefault(link.origin_slot, []).append((node, slot))
        for place, targets in found.items():
            order = {
                link: rank for rank, link in enumerate(self.inputs[place].inside if place < len(self.inputs) else ())
            }
            targets.sort(key=lambda target: order.get(target[1].link or "", len(order)))
        return found

    @cached_property
    def exits(self) -> dict[int, CanvasLink]:
        """Place of a subgraph's output -> the link inside that leads to it: the first that it names, if it is there."""
        found: dict[int, CanvasLink] = {}
        for link in self.links.values():
            if link.target == EXIT:
                found.setdefault(link.target_slot, link)
        for place, slot in enumerate(self.outputs):
            named = next((self.links[name] for name in slot.inside if name in self.links), None)
            if named is not None:
                found[place] = named
        return found


def fits(given: str, taken: str) -> bool:
    """Whether the front end links two types; each may list several, separated by commas."""
    if given in _ANY or taken in _ANY:
        return True
    return not set(given.lower().split(",")).isdisjoint(taken.lower().split(","))


def read_canvas(data: Mapping[str, Any]) -> Canvas:
    """The canvas that JSON describes.

    Raises:
        MalformedError: it has no nodes, or one of them isn't as it must be.
    """
    nodes: dict[str, CanvasNode] = {}
    for entry in _list(data.get("nodes"), "its nodes"):
        node = _node(entry)
        if node.id in nodes:
            raise MalformedError(f"two nodes have the id {node.id}")
        nodes[node.id] = node
    if len(nodes) > MOST_NODES:
        raise MalformedError(f"it has {len(nodes)} nodes, more than {MOST_NODES}")
    entries = data.get("links")
    entries = list(entries.values()) if isinstance(entries, Mapping) else _list(entries, "its links")
    links = dict(filter(None, map(_link, entries)))
    return Canvas(
        nodes=nodes,
        links=links,
        inputs=tuple(_boundary(data.get("inputs"), "the inputs of a subgraph")),
        outputs=tuple(_boundary(data.get("outputs"), "the outputs of a subgraph")),
        name=_text(data.get("name")),
        unreadable_links=sum(entry is not None and _link(entry) is None for entry in entries),
    )


def read_definitions(data: Mapping[str, Any]) -> dict[str, Canvas]:
    """The subgraphs that a workflow defines, by id, those that are defined inside others among them.

    Raises:
        MalformedError: one of them isn't as it must be.
    """
    found: dict[str, Canvas] = {}
    waiting = [data]
    while waiting:
        definitions = waiting.pop().get("definitions")
        if definitions is None:
            continue
        if not isinstance(definitions, Mapping):
            raise MalformedError(f"its definitions are {_kind(definitions)}, not an object")
        for entry in _list(definitions.get("subgraphs"), "its subgraphs"):
            if not isinstance(entry, Mapping) or not isinstance(entry.get("id"), str):
                raise MalformedError("a subgraph has no id")
            found[entry["id"]] = read_canvas(entry)
            waiting.append(entry)
    return found


def _node(entry: Any) -> CanvasNode:
    if not isinstance(entry, Mapping):
        raise MalformedError(f"a node is {_kind(entry)}, not an object")
    node_id = as_id(entry.get("id"))
    if node_id is None:
        raise MalformedError(f"a node has the id {_kind(entry.get('id'))}, not a number or text")
    if not isinstance(entry.get("type"), str):
        raise MalformedError(f"node {node_id} has no type")
    slots = _list(entry.get("inputs"), f"the inputs of node {node_id}")
    outputs = _list(entry.get("outputs"), f"the outputs of node {node_id}")
    properties = entry.get("properties")
    mode = entry.get("mode")
    return CanvasNode(
        id=node_id,
        type=entry["type"],
        title=_text(entry.get("title")),
        mode=mode if isinstance(mode, int) else 0,
        inputs=tuple(_slot(slot, node_id) for slot in slots),
        outputs=tuple(_type(slot.get("type")) if isinstance(slot, Mapping) else "*" for slot in outputs),
        values=entry.get("widgets_values"),
        properties=properties if isinstance(properties, Mapping) else {},
    )


def _slot(entry: Any, node_id: str) -> Slot:
    if not isinstance(entry, Mapping):
        raise MalformedError(f"an input of node {node_id} is {_kind(entry)}, not an object")
    return Slot(
        name=_text(entry.get("name")),
        type=_type(entry.get("type")),
        link=as_id(entry.get("link")),
        is_widget=isinstance(entry.get("widget"), Mapping),
    )


def _boundary(entries: Any, what: str) -> Iterator[Slot]:
    for entry in _list(entries, what):
        if not isinstance(entry, Mapping):
            raise MalformedError(f"one of {what} is {_kind(entry)}, not an object")
        links = entry.get("linkIds")
        inside = tuple(filter(None, map(as_id, links))) if isinstance(links, list) else ()
        yield Slot(name=_text(entry.get("name")), type=_type(entry.get("type")), inside=inside)


def _link(entry: Any) -> tuple[str, CanvasLink] | None:
    """(id, link), or ``None`` if it isn't one; the front end passes over these too."""
    if isinstance(entry, Mapping):
        entry = [entry.get(key) for key in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
    if not isinstance(entry, list) or len(entry) < 5:
        return None
    link_id, origin, target = (as_id(entry[place]) for place in (0, 1, 3))
    origin_slot, target_slot = (_place(entry[place]) for place in (2, 4))
    if link_id is None or origin is None or target is None or origin_slot is None or target_slot is None:
        return None
    return link_id, CanvasLink(origin, origin_slot, target, target_slot)


def _place(value: Any) -> int | None:
    """A slot's place, which old files have as text."""
    text = as_id(value)
    return int(text) if text and text.isdecimal() and len(text) < 7 else None


def as_id(value: Any) -> str | None:
    """An id as text; numbers and texts are the same to the front end."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else None


def _list(value: Any, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedError(f"{what} are {_kind(value)}, not a list")
    return value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _type(value: Any) -> str:
    return "*" if value is None else str(value)


def _kind(value: Any) -> str:
    """What a JSON value is, with an article."""
    kinds = {type(None): "nothing", bool: "a switch", str: "a text", list: "a list", dict: "an object"}
    return kinds.get(type(value), "a number")

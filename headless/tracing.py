"""Follows links back to what feeds an input, through whatever doesn't run itself, as the front end does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .canvas import BYPASSED, ENTRANCE, MUTED, CanvasNode, Slot, fits
from .subgraphs import UNSET, Level
from .virtual_nodes import GETTERS, PRIMITIVE, REROUTES, SETTERS, VIRTUAL, first_value, setters
from .workflow import Link, WorkflowNode

_ANYTHING = ("*", "")


@dataclass(frozen=True)
class Constant:
    """A value that a primitive or the widget of a subgraph gives."""

    value: Any


@dataclass(frozen=True)
class Nothing:
    """Nothing feeds an input."""

    why: str = ""
    """If it was linked all the same: what ends there, as half a sentence."""
    link: Link | None = None
    """The output that the link names, though it doesn't run or isn't there."""


Source = Link | Constant | Nothing


@dataclass(frozen=True)
class _At:
    """A place on the way back: an input, or an output that gives a value of ``type``."""

    level: Level
    node: CanvasNode
    place: int
    type: str = ""
    is_output: bool = False
    is_start: bool = False


class Tracer:
    """Finds what feeds inputs, and remembers what it has found on the way."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str, int, str, bool], Source] = {}
        self._setters: dict[int, dict[str, CanvasNode]] = {}

    def source(self, level: Level, node: CanvasNode, place: int) -> Source:
        """What feeds the input of a node at ``place``."""
        here: _At | Source = _At(level, node, place, is_start=True)
        way: dict[tuple[int, str, int, str, bool], None] = {}
        while isinstance(here, _At):
            key = (id(here.level), here.node.id, here.place, here.type, here.is_output)
            if key in way:
                here = Nothing(f"its links run in a circle through {label(here.level, here.node)}")
            elif key in self._known:
                here = self._known[key]
            else:
                way[key] = None
                here = self._before(here)
        self._known.update(dict.fromkeys(way, here))
        return here

    def _before(self, here: _At) -> _At | Source:
        if not here.is_output:
            return _before_input(here)
        if here.node.type in GETTERS and here.node.mode not in (MUTED, BYPASSED):
            return self._setter(here)
        return _before_output(here)

    def _setter(self, here: _At) -> _At | Source:
        """The input of the node that sets what a getter gets: on this level, else further out."""
        name, level = first_value(here.node), here.level
        while isinstance(name, str):
            if id(level.canvas) not in self._setters:
                self._setters[id(level.canvas)] = setters(level.canvas)
            found = self._setters[id(level.canvas)].get(name)
            if found is not None:
                return _At(level, found, 0, here.type)
            if level.outer is None:
                break
            level = level.outer
        return Nothing(f"no node sets what {label(here.level, here.node)} gets")


def _before_input(here: _At) -> _At | Source:
    level, node = here.level, here.node
    slot = node.inputs[here.place] if here.place < len(node.inputs) else None
    if slot is None or slot.link is None:
        return Nothing() if here.is_start else Nothing(f"nothing is linked to {label(level, node)}")
    link = level.canvas.links.get(slot.link)
    if link is None:
        return Nothing(f"its link {slot.link} isn't in the file")
    if link.origin == ENTRANCE:
        return _outside(level, link.origin_slot)
    origin = level.canvas.nodes.get(link.origin)
    if origin is None:
        missing = Link(level.path + link.origin, link.origin_slot)
        return Nothing(f"its link {slot.link} comes from node {missing.node}, which isn't in the file", missing)
    return _At(level, origin, link.origin_slot, here.type or slot.type, is_output=True)


def _outside(level: Level, place: int) -> _At | Source:
    """What comes in through an input of a subgraph."""
    if level.outer is None or level.instance is None or place >= len(level.ways):
        return Nothing("its link comes from outside a subgraph")
    way = level.ways[place]
    if way.slot is not None and way.slot.link is not None:
        return _At(level.outer, level.instance, level.instance.inputs.index(way.slot))
    return Nothing() if way.value is UNSET else Constant(way.value)


def _before_output(here: _At) -> _At | Source:
    level, node = here.level, here.node
    if node.mode == MUTED:
        return Nothing(f"{label(level, node)} is muted", Link(level.id_of(node), here.place))
    if node.mode == BYPASSED:
        place = _bypass(node, here.place, here.type)
        if place is None:
            return Nothing(f"{label(level, node)} is bypassed and takes no {here.type}")
        return _At(level, node, place)
    if node.id in level.inner:
        return _inside(level.inner[node.id], here)
    if node.type in VIRTUAL:
        return _through_virtual(here)
    return Link(level.id_of(node), here.place)


def _inside(inner: Level, here: _At) -> _At | Source:
    """What gives an output of a subgraph."""
    link = inner.canvas.exits.get(here.place)
    if link is None:
        return Nothing(f"nothing inside {label(here.level, here.node)} leads to its output {here.place}")
    if link.origin == ENTRANCE:
        return _outside(inner, link.origin_slot)
    origin = inner.canvas.nodes.get(link.origin)
    if origin is None:
        return Nothing(f"node {inner.path}{link.origin} isn't in the file", Link(inner.path + link.origin, 0))
    return _At(inner, origin, link.origin_slot, here.type, is_output=True)


def _through_virtual(here: _At) -> _At | Source:
    level, node = here.level, here.node
    if node.type == PRIMITIVE:
        value = first_value(node)
        return Nothing(f"{label(level, node)} has no value") if value is None else Constant(value)
    if node.type in REROUTES | SETTERS:
        return _At(level, node, 0, here.type)
    return Nothing(f"{label(level, node)} gives nothing")


def _bypass(node: CanvasNode, output: int, wanted: str) -> int | None:
    """The place of the input that stands for an output of a bypassed node.

    The same place if it fits, else the first of exactly the type, else the first that fits.
    """
    inputs = node.inputs
    if wanted in _ANYTHING:
        return (output if output < len(inputs) else 0) if inputs else None
    given = node.outputs[output] if output < len(node.outputs) else "*"

    def stands_in(slot: Slot) -> bool:
        return fits(slot.type, given) and fits(slot.type, wanted)

    if output < len(inputs) and stands_in(inputs[output]):
        return output
    for matches in (lambda slot: slot.type == wanted, stands_in):
        for place, slot in enumerate(inputs):
            if matches(slot):
                return place
    return None


def label(level: Level, node: CanvasNode) -> str:
    """How messages name a node of the canvas: as the node that runs."""
    return WorkflowNode(id=level.id_of(node), class_type=node.type, title=node.title).label

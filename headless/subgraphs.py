"""Unpacks subgraphs: every instance becomes a level of its own, with ids such as ``5:3`` for node 3 in instance 5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .canvas import BYPASSED, MOST_NODES, MUTED, Canvas, CanvasNode, MalformedError, Slot
from .widgets import AFTER_GENERATE

MOST_LEVELS = 1000
"""As in the front end."""
UNSET = object()
"""Stands for the value of a widget that nothing sets."""
NO_WIDGET = object()
WidgetOf = Callable[[CanvasNode, Slot], Any]
"""The value of an input's widget; ``UNSET`` if it isn't known, ``NO_WIDGET`` if there is none."""


@dataclass
class Way:
    """One input of an instance: what comes in through it."""

    slot: Slot | None = None
    """The instance's own; ``None`` if its file has none."""
    shows_widget: bool = False
    """Whether the instance shows the widget of what it leads to."""
    value: Any = UNSET
    """Of that widget."""


@dataclass(eq=False)
class Level:
    """A canvas as it is used: the workflow's own, or an instance of a subgraph."""

    canvas: Canvas
    path: str = ""
    """What the ids of its nodes begin with."""
    outer: Level | None = None
    instance: CanvasNode | None = None
    """The node in ``outer`` that stands for it."""
    ways: list[Way] = field(default_factory=list)
    """One for each input of the subgraph."""
    values: dict[tuple[str, str], Any] = field(default_factory=dict)
    """(node, widget) -> value that the instance sets without an input for it, as front ends before 1.40 did."""
    inner: dict[str, Level] = field(default_factory=dict)
    """Id of an instance on this level -> its level."""

    def id_of(self, node: CanvasNode) -> str:
        """As in the API format."""
        return self.path + node.id


def unpack(root: Canvas, definitions: Mapping[str, Canvas], widget_of: WidgetOf) -> list[Level]:
    """All levels of a workflow, outer ones before inner ones. Muted and bypassed instances aren't unpacked.

    Args:
        root: the workflow's own canvas.
        definitions: its subgraphs by id.
        widget_of: gives the value of an input's widget.

    Raises:
        MalformedError: a subgraph contains itself, or there are too many levels or nodes.
    """
    top = Level(root)
    levels: list[Level] = []
    waiting: list[tuple[Level, tuple[str, ...]]] = [(top, ())]
    count = 0
    while waiting:
        level, chain = waiting.pop()
        levels.append(level)
        count += len(level.canvas.nodes)
        if count > MOST_NODES:
            raise MalformedError(f"its subgraphs unpack to more than {MOST_NODES} nodes")
        for node in level.canvas.nodes.values():
            canvas = definitions.get(node.type)
            if canvas is None or node.mode in (MUTED, BYPASSED):
                continue
            if node.type in chain:
                raise MalformedError(f'the subgraph "{canvas.name or node.type}" contains itself')
            if len(chain) >= MOST_LEVELS:
                raise MalformedError(f"its subgraphs are nested more than {MOST_LEVELS} levels deep")
            inner = Level(canvas, path=f"{level.path}{node.id}:", outer=level, instance=node)
            level.inner[node.id] = inner
            waiting.append((inner, (*chain, node.type)))
    for level in reversed(levels):  # whether a widget shows on an instance depends on the levels inside
        _set_widgets(level, widget_of)
    return levels


def _set_widgets(level: Level, widget_of: WidgetOf) -> None:
    """Find what an instance sets of the widgets inside."""
    node = level.instance
    if node is None:
        return
    by_name = {slot.name: slot for slot in node.inputs}
    shown = [_shown_value(level, place, widget_of) for place in range(len(level.canvas.inputs))]
    level.ways = [
        Way(by_name.get(slot.name), value is not NO_WIDGET, UNSET if value is NO_WIDGET else value)
        for slot, value in zip(level.canvas.inputs, shown, strict=True)
    ]
    values = node.values if isinstance(node.values, list) else []
    promoted = node.properties.get("proxyWidgets")
    if isinstance(promoted, list) and promoted:
        for entry, value in zip(promoted, values, strict=False):
            if isinstance(entry, list) and len(entry) >= 2 and value is not None:
                _set_named(level, str(entry[0]), str(entry[1]), value)
        return
    ways = [way for way in level.ways if way.shows_widget]
    if len(values) > len(ways):
        values = [value for value in values if value not in AFTER_GENERATE]
    for way, value in zip(ways, values, strict=False):
        if value is not None:
            way.value = value


def _shown_value(level: Level, place: int, widget_of: WidgetOf) -> Any:
    """The value of the first widget that an input of an instance leads to: the instance shows it for all of them.

    Levels inside are done before.
    """
    for node, slot in level.canvas.entrances.get(place, []):
        inner = level.inner.get(node.id)
        if inner is None:
            value = widget_of(node, slot)
        else:
            value = next((way.value for way in inner.ways if way.shows_widget and way.slot is slot), NO_WIDGET)
        if value is not NO_WIDGET:
            return value
    return NO_WIDGET


def _set_named(level: Level, node_id: str, widget: str, value: Any) -> None:
    """Set the widget of a node inside, which may be several levels down (``5:3``)."""
    *instances, last = node_id.split(":")
    for name in instances:
        if name not in level.inner:
            return
        level = level.inner[name]
    for place, slot in enumerate(level.canvas.inputs):
        leads_there = any(node.id == last and s.name == widget for node, s in level.canvas.entrances.get(place, []))
        if leads_there or (last == "-1" and slot.name == widget):
            level.ways[place].value = value
            return
    if last in level.inner:
        _set_named(level.inner[last], "-1", widget, value)
    else:
        level.values[last, widget] = value

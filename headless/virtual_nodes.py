"""Nodes of the canvas that never run: the front end resolves them before it queues a graph.

Those of ComfyUI itself, and the harmless ones of two packs that many workflows contain: rgthree's and KJ's.
"""

from __future__ import annotations

from typing import Any

from .canvas import Canvas, CanvasNode

NOTES = {"Note", "MarkdownNote", "Label (rgthree)", "Bookmark (rgthree)"}
SWITCHES = {
    f"{name} (rgthree)"
    for name in (
        "Fast Muter", "Fast Bypasser", "Fast Groups Muter", "Fast Groups Bypasser", "Fast Actions Button",
        "Mute / Bypass Relay", "Mute / Bypass Repeater", "Node Collector", "Node Combiner", "Random Unmuter",
    )
}  # fmt: skip
"""They change the modes of other nodes while a person works; the modes themselves are saved."""
REROUTES = {"Reroute", "Reroute (rgthree)"}
SETTERS = {"SetNode", "easy setNode"}
GETTERS = {"GetNode", "easy getNode"}
PRIMITIVE = "PrimitiveNode"
VIRTUAL = NOTES | SWITCHES | REROUTES | SETTERS | GETTERS | {PRIMITIVE}


def first_value(node: CanvasNode) -> Any:
    """What the first widget of a node holds, or ``None``."""
    values = node.values
    if isinstance(values, dict):
        values = list(values.values())
    return values[0] if isinstance(values, list) and values else None


def setters(canvas: Canvas) -> dict[str, CanvasNode]:
    """Name -> the first node of the canvas that sets it."""
    found: dict[str, CanvasNode] = {}
    for node in canvas.nodes.values():
        name = first_value(node)
        if node.type in SETTERS and name and isinstance(name, str):
            found.setdefault(name, node)
    return found

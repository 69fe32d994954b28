"""What ComfyUI tells of a graph as it goes on, as the engine's events."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ...engine.core.events import Event, Message, Progress, RunOpened, StepDone
from .listening import Told
from .server import Graph

TEXT_EVENT = "lora_workbench.text"
TRAINING_EVENT = "lora_workbench.training"
"""As in ``nodes/host/comfyui.py``."""
ENDS = ("execution_success", "execution_error", "execution_interrupted")
_COUNTED = re.compile(r"(?P<label>[^\n]+?) (?P<done>\d+)/(?P<total>\d+)(?:,[^\n]*)?")
"""A text that only says how far a node is, as ``Reading.text`` writes it."""


class Teller:
    """Turns messages about one graph into events.

    Args:
        number: of the graph.
        graph: whose titles stand for nodes that don't say what they count.
    """

    def __init__(self, number: str, graph: Graph) -> None:
        self._number, self._graph = number, graph
        self._label = ("", 0)
        self._node = ""
        self._steps = 0
        self.has_ended = False

    def events(self, told: Told) -> Iterator[Event]:
        """What a message means; nothing for those of other graphs."""
        if told.data.get("prompt_id") != self._number:
            return
        if told.kind in ENDS:
            self.has_ended = True
        elif told.kind == TRAINING_EVENT:
            yield from self._trained(told.data)
        elif told.kind == TEXT_EVENT:
            yield from self._said(str(told.data.get("text", "")))
        elif told.kind == "executing":
            self._enter(told.data.get("node"))
        elif told.kind == "progress":
            yield from self._counted(told.data)

    def _enter(self, node: Any) -> None:
        self._node = node if isinstance(node, str) else ""
        self._label, self._steps = ("", 0), 0

    def _said(self, text: str) -> Iterator[Event]:
        counted = _COUNTED.fullmatch(text)
        if counted:
            self._label = counted["label"], int(counted["total"])
        elif text:
            yield Message(text=text)

    def _counted(self, data: Mapping[str, Any]) -> Iterator[Event]:
        done, total = data.get("value"), data.get("max")
        if not (isinstance(done, (int, float)) and isinstance(total, (int, float))) or total <= 1:
            return
        if total != self._steps:  # steps of a training are told with their loss
            label, counted = self._label
            yield Progress(done=int(done), total=int(total), label=label if counted == total else self._title())

    def _trained(self, data: Mapping[str, Any]) -> Iterator[Event]:
        steps, first, losses = data.get("steps"), data.get("first"), data.get("losses")
        if not isinstance(steps, int) or not isinstance(first, int) or not isinstance(losses, list):
            return
        done = first + len(losses) - 1
        if data.get("opened"):
            yield RunOpened(lineage=str(data.get("run", "")).rpartition("-")[0], steps=steps, done=done)
        elif losses:
            self._steps = steps
            rate = data.get("rate") or 0.0
            yield StepDone(
                step=done, steps=steps, loss=losses[-1], learning_rate=data.get("learning_rate") or 0.0,
                seconds=1 / rate if rate else 0.0,
            )  # fmt: skip

    def _title(self) -> str:
        entry = self._graph.get(self._node, {})
        return str(entry.get("_meta", {}).get("title") or entry.get("class_type", "ComfyUI"))

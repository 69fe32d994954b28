"""The nodes of a running ComfyUI as it describes them, so that workflows with nodes of any extension can be read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ...headless import io
from ...nodes import registry
from .server import NotThereError, Server

_BOUNDS = ("min", "max")


class ServersNodes(Mapping[str, type[io.ComfyNode]]):
    """Ours, and those of a server, each asked for when it is needed first.

    Args:
        server: that has them.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._known: dict[str, type[io.ComfyNode] | None] = dict(registry())

    def __getitem__(self, name: str) -> type[io.ComfyNode]:
        if name not in self._known:
            self._known[name] = self._asked(name)
        found = self._known[name]
        if found is None:
            raise KeyError(name)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, found in self._known.items() if found])

    def __len__(self) -> int:
        return len([*self])

    def _asked(self, name: str) -> type[io.ComfyNode] | None:
        with contextlib.suppress(NotThereError):
            told = self._server.get(f"/object_info/{quote(name, safe='')}").get(name)
            return _node(name, told) if isinstance(told, dict) else None
        return None


def _node(name: str, told: Mapping[str, Any]) -> type[io.ComfyNode]:
    inputs = told.get("input", {})
    order = told.get("input_order", {})
    made = [
        _input(key, inputs[group][key], optional=group == "optional")
        for group in ("required", "optional")
        for key in order.get(group, inputs.get(group, {}))
    ]
    if any(_uploads(told) for told in inputs.get("required", {}).values()):  # a button, whose value files have too
        made.append(io.String.Input("upload", default="image"))
    outputs = [io.Custom(kind if isinstance(kind, str) else "COMBO").Output() for kind in told.get("output", [])]

    class Described(io.ComfyNode):
        @classmethod
        def define_schema(cls) -> io.Schema:
            return io.Schema(
                node_id=name, display_name=told.get("display_name"), inputs=[*made], outputs=[*outputs],
                is_output_node=bool(told.get("output_node")),
            )  # fmt: skip

        @classmethod
        def execute(cls, **_: Any) -> io.NodeOutput:
            raise NotImplementedError  # it runs there

    return Described


def _input(name: str, told: Any, *, optional: bool) -> io.Input:
    """An input by its ``[type, options]``; a list of texts is the type of a choice."""
    kind, options = (*told, {}, {})[:2] if isinstance(told, (list, tuple)) and told else ("*", {})
    options = options if isinstance(options, dict) else {}
    common: dict[str, Any] = {"optional": optional}
    widget = common | {"default": options.get("default"), "force_input": options.get("forceInput")}
    if kind == "COMBO" or isinstance(kind, list):
        return io.Combo.Input(name, options=kind if isinstance(kind, list) else options.get("options", []), **widget)
    if kind in ("INT", "FLOAT"):
        bounds = {bound: options.get(bound) for bound in _BOUNDS}
        if kind == "INT":
            return io.Int.Input(name, control_after_generate=options.get("control_after_generate"), **bounds, **widget)
        return io.Float.Input(name, **bounds, **widget)
    if kind == "STRING":
        return io.String.Input(name, multiline=bool(options.get("multiline")), **widget)
    if kind == "BOOLEAN":
        return io.Boolean.Input(name, **widget)
    return io.Custom(str(kind)).Input(name, **common)


def _uploads(told: Any) -> bool:
    options = told[1] if isinstance(told, (list, tuple)) and len(told) > 1 else None
    return isinstance(options, dict) and any(options.get(name) for name in ("image_upload", "video_upload"))

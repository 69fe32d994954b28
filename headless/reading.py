"""Reads workflow files: in UI or API format, wrapped or not, and inside pictures and adapter files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..engine.core.errors import WorkflowError
from .canvas import MalformedError, as_id
from .embedded import is_picture, is_safetensors, picture_texts, safetensors_texts
from .json_text import MOST_BYTES, parse
from .ui_format import convert
from .unwrapping import unwrap
from .workflow import Link, Registry, Workflow, WorkflowNode


def read_workflow(path: Path, registry: Registry) -> Workflow:
    """Read the workflow that a file is or carries.

    Where a file has both formats, the graph in API format is what has run, so it is what runs again.

    Args:
        path: JSON, or a PNG, WebP, JPEG, AVIF or safetensors file that carries it.
        registry: the known nodes; their schemas name the widgets in UI-format files.

    Raises:
        WorkflowError: the file can't be read, or isn't a workflow.
    """
    try:
        data, is_broken = _load(path)
        found = unwrap(data)
        if found.prompt:
            nodes, notes = _from_api(found.prompt), []
        elif found.canvas:
            nodes, notes = convert(found.canvas, registry)
        else:
            raise MalformedError(_what_is_missing(data))
    except OSError as error:
        raise WorkflowError(
            f"The workflow {path} can't be read: {error.strerror or error}.", hint="check the path."
        ) from error
    except ValueError as error:
        raise WorkflowError(
            f"{path} is not a workflow: {error}.",
            expected="a workflow that ComfyUI saved (File > Save, or File > Export (API)), or a picture or adapter "
            "file that carries one",
            hint="save the workflow again, or start from one that `lora-workbench workflows` lists.",
        ) from error
    if found.note:
        notes.insert(0, found.note)
    if is_broken:
        notes.insert(0, "characters that are no text, such as half an emoji, were read as \ufffd")
    return Workflow(nodes=nodes, graph=found.canvas, notes=tuple(notes))


def _load(path: Path) -> tuple[Any, bool]:
    """(what a file holds, as JSON values; whether broken characters were replaced)."""
    with path.open("rb") as file:
        head = file.read(16)
        if not is_picture(head) and not is_safetensors(head):
            return parse(head + file.read(MOST_BYTES))
    texts = picture_texts(path) if is_picture(head) else safetensors_texts(path)
    parts, problems, is_broken = {}, [], False
    for name, text in texts.items():
        try:
            parts[name], broken = parse(text)
            is_broken |= broken
        except ValueError as error:  # programs also write what a picture was asked for as its "prompt"
            problems.append(f"its {name} isn't one: {error}")
    if not parts:
        raise ValueError("; ".join(problems))
    return parts, is_broken


def _what_is_missing(data: Any) -> str:
    if isinstance(data, Mapping) and data:
        shown = ", ".join(str(name)[:40] for name in list(data)[:5])
        return f"it has no nodes, only {shown}"
    return "it isn't a JSON object with nodes"


def _from_api(data: dict[str, Any]) -> dict[str, WorkflowNode]:
    nodes = {}
    for node_id, entry in data.items():
        if not isinstance(entry, dict) or not isinstance(entry.get("class_type"), str):
            raise MalformedError(f"entry {node_id[:60]!r} has no class_type")
        inputs = entry.get("inputs", {})
        if not isinstance(inputs, dict):
            raise MalformedError(f"the inputs of node {node_id[:60]!r} aren't a JSON object")
        title = entry["_meta"].get("title", "") if isinstance(entry.get("_meta"), dict) else ""
        nodes[node_id] = WorkflowNode(
            id=node_id,
            class_type=entry["class_type"],
            title=title if isinstance(title, str) else "",
            inputs={name: _from_api_value(value) for name, value in inputs.items()},
        )
    return nodes


def _from_api_value(value: Any) -> Any:
    if isinstance(value, list) and len(value) == 2:
        node, output = as_id(value[0]), value[1]
        if node is not None and isinstance(output, (int, float)) and not isinstance(output, bool):
            return Link(node, int(output)) if output == output and abs(output) < 2**31 else value
    if isinstance(value, dict) and "__value__" in value:
        return value["__value__"]
    return value

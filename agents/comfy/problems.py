"""What a running ComfyUI says of graphs that it refuses or that fail, as errors that an agent can act on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...engine.core import errors
from ...engine.core.errors import WorkbenchError, WorkflowError
from .server import Graph, Refusal, ServerError

_OURS = "LW_"
_MOST_TOLD = 20
_LONGEST = 600
"""Characters of an error of others."""
_EXPECTED, _TO_DO = "Expected: ", "What to do: "


def refused(refusal: Refusal, graph: Graph) -> WorkbenchError:
    """Why a graph isn't run."""
    if refusal.error.get("type") == "missing_node_type":
        return _missing(refusal, graph)
    lines = [line for node, told in refusal.nodes.items() for line in _of_node(node, told, graph)]
    if not lines:
        text = f"{_text(refusal.error, 'message')} {_text(refusal.error, 'details')}".strip()
        return WorkflowError(f"ComfyUI refuses the graph: {text[:_LONGEST] or 'without a word'}")
    told = "\n".join(["ComfyUI can't use these inputs.", *lines[:_MOST_TOLD], *_more(len(lines))])
    says_what_to_do = _TO_DO in told
    return WorkflowError(
        told, hint="" if says_what_to_do else "correct what is named; files must be in ComfyUI's own folders."
    )


def failed(entry: Mapping[str, Any], graph: Graph) -> WorkbenchError | None:
    """What ended a graph before its end, by its entry of the history; ``None`` if nothing did."""
    status = entry.get("status")
    messages = status.get("messages", []) if isinstance(status, dict) else []
    for kind, told in messages:
        if kind == "execution_error":
            return _failure(told, graph)
        if kind == "execution_interrupted":
            return ServerError(
                "The job was cancelled in ComfyUI.",
                expected="nobody to press cancel there meanwhile",
                hint="ask the user; the same request again goes on with what is kept.",
            )
    return None


def _failure(told: Mapping[str, Any], graph: Graph) -> WorkbenchError:
    """A node's error. Those of our own nodes are written for people, and come out as they went in."""
    message, kind = _text(told, "exception_message").strip(), _text(told, "exception_type").rpartition(".")[2]
    own = getattr(errors, kind, None)
    if isinstance(own, type) and issubclass(own, WorkbenchError):
        return _parsed(own, message)
    if "OutOfMemory" in kind or "out of memory" in message.lower():
        return ServerError(
            f"{_label(_text(told, 'node_id'), graph)}: the memory of ComfyUI's device isn't enough.",
            expected="a job that fits it",
            hint="draw fewer or smaller pictures, or train with a smaller resolution or batch_size.",
        )
    text = message[:_LONGEST] or "without a word"
    return ServerError(
        f"{_label(_text(told, 'node_id'), graph)} fails: {kind}: {text}", hint="look into ComfyUI's log."
    )


def _parsed(kind: type[WorkbenchError], message: str) -> WorkbenchError:
    """An error by its text, as ``WorkbenchError`` makes it."""
    got, to_do = _split(message, f"\n{_TO_DO}")
    got, expected = _split(got, f"\n{_EXPECTED}")
    return kind(got, expected=expected, hint=to_do)


def _split(text: str, at: str) -> tuple[str, str]:
    before, found, after = text.rpartition(at)
    return (before, after) if found else (text, "")


def _missing(refusal: Refusal, graph: Graph) -> WorkbenchError:
    told = refusal.error.get("extra_info")
    name = str(told.get("class_type", "")) if isinstance(told, dict) else ""
    if name.startswith(_OURS):
        return lacks_us(f"it has no node {name}")
    label = _label(str(told.get("node_id", "")), graph) if isinstance(told, dict) else name
    return WorkflowError(
        f"{label}: this ComfyUI has no such node.",
        expected="a workflow of nodes that it has",
        hint="let the user install the extension that the node is from.",
    )


def lacks_us(why: str) -> ServerError:
    """That a server has no LoRA Workbench, or one that is older than this."""
    return ServerError(
        f"This ComfyUI can't do it: {why}.",
        expected="a ComfyUI with LoRA Workbench in the version of this program",
        hint="let the user install or update LoRA Workbench there (comfy node install lora-workbench), and restart it.",
    )


def _of_node(node: str, told: Any, graph: Graph) -> Iterator[str]:
    listed = told.get("errors") if isinstance(told, dict) else None
    for error in listed if isinstance(listed, list) else []:
        if not isinstance(error, dict):
            continue
        extra = error.get("extra_info")
        name = extra.get("input_name", "") if isinstance(extra, dict) else ""
        details = _text(error, "details")
        details = details.removeprefix(f"{name} - ") if name else details
        where = f"{_label(node, graph)}, {name}" if name else _label(node, graph)
        is_ours = error.get("type") == "custom_validation_failed" and told.get("class_type", "").startswith(_OURS)
        said = details if is_ours else ": ".join(filter(None, [_text(error, "message"), details]))
        yield f"{where}: {said if is_ours else said[:_LONGEST]}"


def _label(node: str, graph: Graph) -> str:
    """For example ``node 3 "draw" (LW_Generate)``."""
    entry = graph.get(node, {})
    title = entry.get("_meta", {}).get("title", "")
    kind = entry.get("class_type", "?")
    return f'node {node} "{title}" ({kind})' if title not in ("", node, kind) else f"node {node} ({kind})"


def _more(count: int) -> list[str]:
    return [f"and {count - _MOST_TOLD} more"] if count > _MOST_TOLD else []


def _text(mapping: Mapping[str, Any], name: str) -> str:
    value = mapping.get(name)
    return value if isinstance(value, str) else "" if value is None else str(value)

"""Constants as ComfyUI takes them: ``1.0`` and ``"1"`` are whole numbers, and ``1`` is text where text is wanted.

Beyond ComfyUI, an input that is left out has its default, with a note; ComfyUI's canvas writes all of them, and people
who write graphs by hand don't.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..engine.core.words import did_you_mean
from .io import Boolean, Float, Input, Int, String
from .schemas import Schemas
from .workflow import Link, Registry, Workflow, WorkflowNode

_RENAMED = {"colour": "color"}
"""Name of an input in earlier versions -> today's."""


def with_fitting_values(workflow: Workflow, registry: Registry) -> Workflow:
    """The workflow with the constants of our nodes in the types that their inputs want.

    Inputs that a node doesn't have are left out with a note, as ComfyUI passes over them; one that is close to the name
    of another stays, so that validation can ask which was meant. What doesn't fit stays as it is, for validation too.
    """
    schemas = Schemas(registry)
    nodes, notes = {}, list(workflow.notes)
    for node in workflow.nodes.values():
        schema = schemas.get(node.class_type)
        if schema is not None:
            wanted = {i.id: i for i in schema.inputs}
            node, told = _completed(_renamed(node, wanted), wanted)
            unknown = set() if schema.accept_all_inputs else set(_unknown(node, wanted))
            notes += [f"{node.label}: the node has no input {name}, so it isn't used" for name in sorted(unknown)]
            notes += told
            inputs = {
                name: _fitting(value, wanted[name]) if name in wanted else value
                for name, value in node.inputs.items()
                if name not in unknown
            }
            node = replace(node, inputs=inputs)
        nodes[node.id] = node
    return replace(workflow, nodes=nodes, notes=tuple(notes))


def _renamed(node: WorkflowNode, wanted: dict[str, Input]) -> WorkflowNode:
    """The node with inputs that had another name before under their present one."""
    inputs = {
        new if new in wanted and old not in wanted and new not in node.inputs else old: value
        for old, value in node.inputs.items()
        for new in (_RENAMED.get(old, old),)
    }
    return replace(node, inputs=inputs)


def _completed(node: WorkflowNode, wanted: dict[str, Input]) -> tuple[WorkflowNode, list[str]]:
    """The node with defaults for required inputs that were left out, and a note about each."""
    missing = {
        name: i.options["default"]
        for name, i in wanted.items()
        if name not in node.inputs
        and not i.optional
        and "default" in i.options
        # A misspelled name is asked about, not replaced by the default.
        and not any(did_you_mean(given, [name]) for given in node.inputs if given not in wanted)
    }
    told = [f"{node.label}: {name} isn't given, so it has its default, {value!r}" for name, value in missing.items()]
    return replace(node, inputs={**node.inputs, **missing}), told


def _unknown(node: WorkflowNode, wanted: dict[str, Input]) -> Iterator[str]:
    missing = [name for name in wanted if name not in node.inputs]
    for name in node.inputs:
        if name not in wanted and not did_you_mean(name, missing):
            yield name


def _fitting(value: Any, target: Input) -> Any:
    if isinstance(value, (Link, bool)) or not isinstance(value, (str, int, float)):
        return value
    with contextlib.suppress(ValueError, OverflowError):  # validation says what was expected
        if isinstance(target, Int.Input) and (isinstance(value, str) or value == int(value)):
            return int(value)
        if isinstance(target, Float.Input):
            return float(value) if isinstance(value, str) else value
        if isinstance(target, Boolean.Input) and value in (0, 1):
            return bool(value)
        if isinstance(target, String.Input) and (isinstance(value, str) or math.isfinite(value)):
            return str(value)
    return value

"""Outputs that carry several values: nodes after them run once for each, as in ComfyUI.

Every output is a list of values, most of them of one. A node takes the longest of its inputs' lists and runs as often;
shorter ones repeat their last value. A node with ``is_input_list`` runs once, and gets the lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .io import NodeOutput, Schema

Values = Sequence[Any]
"""Of one output."""


def calls(schema: Schema, inputs: Mapping[str, Values]) -> Iterator[dict[str, Any]]:
    """The arguments of each call of a node.

    Args:
        schema: of the node.
        inputs: input id -> its values, at least one of each.
    """
    if schema.is_input_list:
        yield {name: list(values) for name, values in inputs.items()}
        return
    for number in range(max([1, *map(len, inputs.values())])):
        yield {name: values[min(number, len(values) - 1)] for name, values in inputs.items()}


def joined(schema: Schema, results: Sequence[NodeOutput]) -> list[Values]:
    """The values of each output, of all calls."""
    made: list[Values] = []
    for slot, output in enumerate(schema.outputs):
        own = [result.args[slot] for result in results if slot < len(result.args)]
        made.append([value for values in own for value in values] if output.is_output_list else own)
    return made


def merged_ui(results: Sequence[NodeOutput]) -> dict[str, Any]:
    """What all calls show, one after the other; that of a single call as it is."""
    shown = [_plain(result.ui) for result in results]
    if len(shown) == 1:
        return shown[0]
    names = dict.fromkeys(name for one in shown for name in one)
    return {name: [value for one in shown for value in _listed(one.get(name, ()))] for name in names}


def _plain(ui: Any) -> dict[str, Any]:
    return dict(ui if isinstance(ui, dict) else ui.as_dict()) if ui else {}


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]

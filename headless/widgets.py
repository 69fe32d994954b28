"""Names the values of a node's widgets. The front end saves them by position only, so it takes the node's schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeGuard

from .io import Input, Int, Schema, WidgetInput

AFTER_GENERATE = ("fixed", "increment", "decrement", "randomize")
"""Values of the widget that changes a seed after each run."""
SEED_NAMES = {"seed", "noise_seed"}


def named_widgets(schema: Schema, values: Any) -> dict[str, Any]:
    """Widget values by input id; values missing from the file get the schema's default.

    Args:
        schema: of the node.
        values: the file's ``widgets_values``: a list in the order of the widgets, or a mapping.
    """
    named, _ = split_widgets(schema, values)
    return named


def split_widgets(schema: Schema, values: Any) -> tuple[dict[str, Any], list[Any]]:
    """As :func:`named_widgets`, and the values that no widget takes, or their names in a mapping."""
    if isinstance(values, dict):
        known = {w.id: values.get(w.id) for w in widgets(schema)}
        left = [name for name, value in values.items() if name not in known and value not in AFTER_GENERATE]
    else:
        known, left = _by_position(schema, list(values) if isinstance(values, list) else [])
    defaults = {w.id: w.default for w in widgets(schema)}
    named = {name: defaults[name] if value is None else value for name, value in known.items()}
    return {name: value for name, value in named.items() if value is not None}, [v for v in left if v not in ("", None)]


def _by_position(schema: Schema, left: list[Any]) -> tuple[dict[str, Any], list[Any]]:
    named = {}
    left.reverse()
    for widget in widgets(schema):
        named[widget.id] = left.pop() if left else None
        if changes_after_generate(widget) and left and left[-1] in AFTER_GENERATE:
            left.pop()
    return named, left[::-1]


def widgets(schema: Schema) -> Iterator[WidgetInput]:
    """The inputs with a widget, in the front end's order: required ones first."""
    for i in in_order(schema):
        if has_widget(i):
            yield i


def has_widget(i: Input) -> TypeGuard[WidgetInput]:
    """Whether an input has a widget."""
    return isinstance(i, WidgetInput) and not i.force_input


def in_order(schema: Schema) -> list[Input]:
    """All inputs in the front end's order: required ones first."""
    return sorted(schema.inputs, key=lambda i: i.optional)


def changes_after_generate(widget: Input) -> bool:
    """Whether the front end adds a widget after this one that changes it after each run."""
    return isinstance(widget, Int.Input) and bool(widget.options.get("control_after_generate", widget.id in SEED_NAMES))

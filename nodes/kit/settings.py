"""Node inputs that follow from settings, which are declared once on the fields of dataclasses."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any, get_type_hints

from ...engine.core.fields import Setting, Settings, defaults_of, raise_all, settings_of
from ...engine.training.recipe import GROUPS, problems_with
from ..host import io

_LARGEST = 1_000_000
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def setting_inputs(group: type[Settings]) -> list[io.Input]:
    """An input for each setting of a group, showing the default that will be used."""
    hints, defaults = get_type_hints(group), defaults_of(group)
    return [_input(name, hints[name], declared, defaults[name]) for name, declared in settings_of(group).items()]


def setting_values(group: type[Settings], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The values of :func:`setting_inputs`, with the texts of lists split: prompts by line, numbers by comma.

    Text that can't be read stays text, which the recipe refuses.
    """
    hints = get_type_hints(group)
    return {name: _read(value, hints[name]) if isinstance(value, str) else value for name, value in inputs.items()}


def parse_settings(text: str) -> dict[str, Any]:
    """Settings of a recipe, by name, from ``name = value`` entries.

    Args:
        text: entries are separated by line ends or semicolons. A semicolon that no ``name =`` follows belongs to the
            value, where it separates prompts. Blank lines and lines that start with # are skipped.

    Raises:
        ConfigError: with one line for each entry that has no value, comes twice, isn't a setting or can't be used.
    """
    values, problems = read_settings(text)
    raise_all([*problems, *problems_with(values)], "The recipe")
    return values


def read_settings(text: str) -> tuple[dict[str, Any], list[str]]:
    """As :func:`parse_settings`, with the entries that aren't ``name = value`` as problems, and values unchecked."""
    hints = {name: hint for group in GROUPS.values() for name, hint in get_type_hints(group).items()}
    values: dict[str, Any] = {}
    problems = []
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for entry in re.split(r"\n|;\s*(?=\w+\s*=)", "\n".join(lines)):
        name, equals, value = (part.strip(" \t;") for part in entry.partition("="))
        hint = hints.get(name)
        if name in values:
            problems.append(f"{name}: given twice")
        elif name and equals:
            values[name] = _read(value.replace(";", "\n") if hint == tuple[str, ...] else value, hint)
        elif entry.strip():
            problems.append(f"{entry.strip()!r} isn't of the form name = value")
    return values, problems


def setting_fields() -> list[dict[str, Any]]:
    """The groups of settings with their fields, as plain values for a form."""
    return [
        {"name": name, "title": group.title, "about": about(group), "fields": _fields(group)}
        for name, group in GROUPS.items()
    ]


def about(group: type[Settings]) -> str:
    """What a group of settings decides, in a line."""
    return " ".join((group.__doc__ or "").split())


def as_text(value: Any) -> str:
    """A value as :func:`parse_settings` reads it; empty for ``None``."""
    if value is None or isinstance(value, (bool, str)):
        return {None: "", True: "true", False: "false"}.get(value, str(value))
    if isinstance(value, (tuple, list)):
        return ("; " if any(isinstance(part, str) for part in value) else ", ").join(map(str, value))
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _fields(group: type[Settings]) -> list[dict[str, Any]]:
    hints, defaults = get_type_hints(group), defaults_of(group)
    return [_field(name, hints[name], declared, defaults[name]) for name, declared in settings_of(group).items()]


def _field(name: str, hint: Any, declared: Setting, default: Any) -> dict[str, Any]:
    kinds = {bool: "switch", int: "whole", float: "number", tuple[str, ...]: "lines", tuple[int, ...]: "numbers"}
    return {
        "name": name,
        "label": name.replace("_", " "),
        "kind": "choice" if declared.choices else kinds.get(hint, "text"),
        "default": as_text(default),
        "minimum": declared.minimum if declared.minimum is not None else declared.above,
        "maximum": declared.maximum,
        "step": declared.step,
        "choices": declared.options(),
        "words": list(declared.words),
        "unit": declared.unit,
        "tooltip": declared.tooltip,
    }


def in_lines(settings: str, named: Mapping[str, Any]) -> str:
    """Settings written as text, and others given by name, as one text for :func:`parse_settings`."""
    lines = [f"{name} = {str(value).replace(chr(10), '; ')}" for name, value in named.items()]
    return "\n".join([settings, *lines])


def _read(text: str, hint: Any) -> Any:
    """A text as a value of a setting's type, or as it is if it can't be read."""
    with contextlib.suppress(ValueError):
        if hint in (int, float):
            return hint(text)
        if hint == tuple[int, ...]:
            return tuple(int(number) for number in text.replace(",", " ").split())
    if hint == tuple[str, ...]:
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    return _SWITCHES.get(text.lower(), text) if hint is bool else text


def _input(name: str, hint: Any, declared: Setting, default: Any) -> io.Input:
    tooltip = f"{declared.tooltip} In {declared.unit}." if declared.unit else declared.tooltip
    common: dict[str, Any] = {"tooltip": tooltip}
    if hint is bool:
        return io.Boolean.Input(name, default=default, **common)
    if declared.choices:
        return io.Combo.Input(name, options=declared.options(), default=default, **common)
    if hint is int:
        low, high = int(declared.minimum or 0), int(declared.maximum or _LARGEST)
        step = int(declared.step) if declared.step else None
        return io.Int.Input(name, default=default, min=low, max=high, step=step, **common)
    if hint is float:
        low, high = declared.minimum or 0.0, declared.maximum or float(_LARGEST)
        return io.Float.Input(name, default=default, min=low, max=high, step=declared.step, **common)
    separator = "\n" if hint == tuple[str, ...] else ", "
    shown = default if hint is str else separator.join(map(str, default))
    return io.String.Input(name, default=shown, multiline=separator == "\n", **common)

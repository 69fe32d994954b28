"""Inputs of nodes that follow from settings, which are declared once on the fields of dataclasses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

from ...engine.core.errors import ConfigError
from ...engine.core.fields import Setting, Settings, defaults_of, settings_of
from ..host import io

_LARGEST = 1_000_000


def setting_inputs(group: type[Settings]) -> list[io.Input]:
    """An input for each setting of a group, which shows the default that will be used."""
    hints, defaults = get_type_hints(group), defaults_of(group)
    return [_input(name, hints[name], declared, defaults[name]) for name, declared in settings_of(group).items()]


def setting_values(group: type[Settings], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What the inputs of :func:`setting_inputs` mean: texts for lists are taken apart.

    Raises:
        ConfigError: a text for whole numbers holds something else.
    """
    hints = get_type_hints(group)
    return {name: _value(name, hints[name], value) for name, value in inputs.items()}


def _input(name: str, hint: Any, declared: Setting, default: Any) -> io.Input:
    common: dict[str, Any] = {"tooltip": _tooltip(declared)}
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
    return io.String.Input(name, default="", multiline=hint == tuple[str, ...], **common)


def _tooltip(declared: Setting) -> str:
    return f"{declared.tooltip} In {declared.unit}." if declared.unit else declared.tooltip


def _value(name: str, hint: Any, value: Any) -> Any:
    if hint == tuple[str, ...]:
        return tuple(line.strip() for line in value.splitlines() if line.strip())
    if hint != tuple[int, ...]:
        return value
    parts = value.replace(",", " ").split()
    if wrong := [part for part in parts if not part.isdecimal()]:
        raise ConfigError(
            f"{name}: {', '.join(wrong)} can't be used.",
            expected="whole numbers, comma-separated",
            hint="write for example: 250, 500, 750.",
        )
    return tuple(map(int, parts))


def parse_settings(text: str, groups: Mapping[str, type[Settings]]) -> dict[str, Any]:
    """Settings from a text with one ``name = value`` per line; blank lines and lines that begin with # are left out.

    Raises:
        ConfigError: with one line for each that can't be read.
    """
    hints = {name: hint for group in groups.values() for name, hint in get_type_hints(group).items()}
    found, problems = {}, []
    for line in text.splitlines():
        name, equals, value = (part.strip() for part in line.partition("="))
        if not name or name.startswith("#"):
            continue
        if not equals:
            problems.append(f"{line.strip()!r} isn't of the form name = value")
            continue
        try:
            found[name] = _read(name, hints.get(name), value)
        except ValueError:
            problems.append(f"{name}: got {value!r}, expected {_EXPECTED[hints[name]]}")
    if problems:
        raise ConfigError(
            "Settings that can't be read:\n  " + "\n  ".join(problems),
            expected="one name = value per line, for example steps = 300",
            hint="correct these lines.",
        )
    return found


_EXPECTED = {int: "a whole number", float: "a number", bool: "true or false"}
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _read(name: str, hint: Any, text: str) -> Any:
    """A value of a setting's type; an unknown setting keeps its text, and the recipe says that there is none."""
    if hint is bool:
        if text.lower() not in _SWITCHES:
            raise ValueError(text)
        return _SWITCHES[text.lower()]
    if hint in (int, float):
        return hint(text)
    return _value(name, hint, text.replace(";", "\n") if hint == tuple[str, ...] else text)

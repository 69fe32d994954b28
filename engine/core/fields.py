"""Strict settings: dataclasses built from plain mappings, with every mistake named at once."""

from __future__ import annotations

import difflib
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ConfigError

T = TypeVar("T")


def build(cls: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Make a ``cls`` from ``values``; unknown keys, missing keys and wrong types are errors, all told together.

    Args:
        cls: a dataclass whose ``__post_init__`` may raise ``ConfigError`` for values out of range.
        values: field name -> value.
        where: what the values belong to, for the message, for example ``recipe``.

    Raises:
        ConfigError: with one line for each problem.
    """
    hints = get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    problems = []
    for key in values:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            problems.append(f"{key}: not a setting of {where}" + (f"; did you mean {close[0]}?" if close else ""))
    for name, field in known.items():
        if name in values:
            if not _fits(values[name], hints[name]):
                problems.append(f"{name}: got {values[name]!r}, expected {_words(hints[name])}")
        elif field.default is MISSING and field.default_factory is MISSING:
            problems.append(f"{name}: missing")
    if problems:
        raise_all(problems, where)
    return cls(**values)


def raise_all(problems: list[str], where: str) -> None:
    """Raise one ``ConfigError`` that lists every problem, or return when there is none."""
    if problems:
        raise ConfigError(
            f"{where} has {len(problems)} setting{'s' if len(problems) > 1 else ''} that can't be used:\n  "
            + "\n  ".join(problems),
            hint="correct the settings named above and run again.",
        )


def positive(problems: list[str], owner: object, *names: str, zero: bool = False) -> None:
    """Note each named number of ``owner`` that isn't finite and above zero (or zero, where ``zero`` allows it)."""
    for name in names:
        value = getattr(owner, name)
        if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
            problems.append(f"{name}: got {value!r}, expected a finite number {'of 0 or more' if zero else 'above 0'}")


def one_of(problems: list[str], owner: object, name: str, allowed: tuple[str, ...]) -> None:
    """Note a named setting of ``owner`` that isn't one of ``allowed``."""
    if getattr(owner, name) not in allowed:
        problems.append(f"{name}: got {getattr(owner, name)!r}, expected one of {', '.join(allowed)}")


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if hint is Any:
        return True
    if origin is Literal:
        return value in get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_fits(value, option) for option in get_args(hint))
    if origin is tuple:
        return isinstance(value, (list, tuple)) and all(_fits(v, get_args(hint)[0]) for v in value)
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin or hint)


def _words(hint: Any) -> str:
    origin = get_origin(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if origin in (Union, types.UnionType):
        return " or ".join(_words(option) for option in get_args(hint))
    names = {float: "a number", int: "a whole number", str: "text", bool: "true or false", type(None): "nothing"}
    return names.get(hint, str(hint))

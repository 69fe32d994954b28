"""Settings, each declared once on its dataclass field: default, range, unit, tooltip, and when it has no effect.

Validation, inputs of nodes, tables for people and the keys of results all follow from these declarations.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Literal, Protocol, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ConfigError
from .words import did_you_mean

T = TypeVar("T")
_METADATA = "setting"
_NEVER = object()


class Choices(Protocol):
    """Something with names to choose from, such as a registry."""

    def names(self) -> Sequence[str]: ...


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What is declared of a setting beside its name, type and default."""

    tooltip: str
    """What it does and which values are usual, in a sentence or two."""
    since: str
    """Version of the project that brought it."""
    unit: str = ""
    minimum: float | None = None
    above: float | None = None
    """Bound that itself isn't allowed."""
    maximum: float | None = None
    step: float | None = None
    """Of the number's widget."""
    choices: Choices | Sequence[str] = ()
    """For texts: the values allowed."""
    keyed: bool = True
    """Whether results depend on it."""
    neutral: Any = _NEVER
    """The value at which it has no effect."""
    used: Callable[[Any], bool] | None = None
    """Whether it has an effect, given the circumstances of a run; ``None`` where it always has."""

    def options(self) -> list[str]:
        """The values allowed, for texts with choices."""
        return list(self.choices if isinstance(self.choices, (list, tuple)) else self.choices.names())  # type: ignore[union-attr]

    def counts(self, value: Any, circumstances: Any) -> bool:
        """Whether results depend on the setting's having this value."""
        return self.keyed and value != self.neutral and (self.used is None or self.used(circumstances))

    def problem(self, value: Any) -> str:
        """What is wrong with a value of the right type, or nothing."""
        if self.choices and value not in self.options():
            return f"expected one of {', '.join(self.options())}{did_you_mean(str(value), self.options())}"
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, (int, float)) and not isinstance(number, bool) and not self._in_range(number):
                return f"expected {self._range()}"
        return ""

    def _in_range(self, number: float) -> bool:
        return (
            math.isfinite(number)
            and (self.minimum is None or number >= self.minimum)
            and (self.above is None or number > self.above)
            and (self.maximum is None or number <= self.maximum)
        )

    def _range(self) -> str:
        if self.maximum is not None and self.minimum is not None:
            return f"a number from {self.minimum:g} to {self.maximum:g}"
        bounds = [
            words.format(bound)
            for words, bound in (
                ("above {:g}", self.above),
                ("of {:g} or more", self.minimum),
                ("up to {:g}", self.maximum),
            )
            if bound is not None
        ]
        return f"a finite number {' and '.join(bounds)}".strip()


def setting(default: Any, tooltip: str, *, since: str = "0.1", **declared: Any) -> Any:
    """A dataclass field that is a setting; ``declared`` are the fields of :class:`Setting`."""
    return field(default=default, metadata={_METADATA: Setting(tooltip=tooltip, since=since, **declared)})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base of a group of settings: frozen dataclasses whose values are checked when they are made."""

    title: ClassVar[str] = "settings"
    """What messages and nodes call the group."""

    def __post_init__(self) -> None:
        problems = []
        for name, declared in settings_of(type(self)).items():
            value = getattr(self, name)
            if wrong := declared.problem(value):
                problems.append(f"{name}: got {value!r}, {wrong}")
        raise_all(problems, self.title)


def settings_of(group: type[Any]) -> dict[str, Setting]:
    """Name -> declaration of every setting of a group, in order."""
    return {f.name: f.metadata[_METADATA] for f in fields(group) if _METADATA in f.metadata}


def defaults_of(group: type[Any]) -> dict[str, Any]:
    """Name -> default of every setting of a group."""
    return {f.name: f.default for f in fields(group) if _METADATA in f.metadata}


def build(cls: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Make a ``cls`` from ``values``; unknown keys, missing keys and wrong types are all reported together.

    Args:
        cls: a dataclass whose ``__post_init__`` may raise ``ConfigError`` for values out of range.
        values: field name -> value.
        where: what the values belong to, for the message, for example ``recipe``.

    Raises:
        ConfigError: with one line for each problem.
    """
    hints = get_type_hints(cls)
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    problems = [unknown_setting(key, known, where) for key in values if key not in known]
    for name, declared in known.items():
        if name in values:
            if not _fits(values[name], hints[name]):
                problems.append(f"{name}: got {values[name]!r}, expected {_words(hints[name])}")
        elif declared.default is MISSING and declared.default_factory is MISSING:
            problems.append(f"{name}: missing")
    raise_all(problems, where)
    return cls(**values)


def problem_with(group: type[Any], name: str, value: Any) -> str:
    """A line for the message if a setting of a group can't have this value, or nothing."""
    hint = get_type_hints(group)[name]
    wrong = settings_of(group)[name].problem(value) if _fits(value, hint) else f"expected {_words(hint)}"
    return f"{name}: got {value!r}, {wrong}" if wrong else ""


def unknown_setting(name: str, known: Iterable[str], where: str) -> str:
    """A line for the message about a setting that there isn't."""
    return f"{name}: not a setting of {where}{did_you_mean(name, known)}"


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
    names = {
        float: "a number",
        int: "a whole number",
        str: "text",
        bool: "true or false",
        type(None): "nothing",
        tuple[int, ...]: "whole numbers, comma-separated",
        tuple[str, ...]: "texts",
    }
    return names.get(hint, str(hint))

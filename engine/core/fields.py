"""Settings, each declared once on its dataclass field: default, range, unit, tooltip, and when it has no effect.

Validation, node inputs, tables and the keys of results all follow from these declarations.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from typing import Any, ClassVar, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .errors import ConfigError
from .registry import Registry
from .words import did_you_mean

T = TypeVar("T")
_METADATA = "setting"
_NEVER = object()


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The declaration of a setting, apart from its name, type and default."""

    tooltip: str
    """What it does and the usual values, in a sentence or two."""
    since: str
    """Version of the project that introduced it."""
    unit: str = ""
    minimum: float | None = None
    above: float | None = None
    """Exclusive lower bound."""
    maximum: float | None = None
    step: float | None = None
    """Increment of the number's widget."""
    choices: Registry[Any] | Sequence[str] = ()
    """Allowed values of a string."""
    check: Callable[[Any], str] | None = None
    """What is wrong with a value beyond all that; empty if nothing is."""
    words: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Words that may stand in place of a value -> the settings that they stand for."""
    keyed: bool = True
    """Whether results depend on it."""
    neutral: Any = _NEVER
    """The value that has no effect."""
    used: Callable[[Any], bool] | None = None
    """Whether it has an effect, given the circumstances of a run; ``None`` if it always has."""
    unused: str = ""
    """When it has none, for people: ``without regularization pictures``."""

    def options(self) -> list[str]:
        """Allowed values of a string; empty if any will do."""
        return self.choices.names() if isinstance(self.choices, Registry) else list(self.choices)

    def counts(self, value: Any, circumstances: Any) -> bool:
        """Whether this value of the setting has an effect on results."""
        return self.keyed and value != self.neutral and (self.used is None or self.used(circumstances))

    def problem(self, value: Any) -> str:
        """What is wrong with a value of the right type; empty if nothing is."""
        if self.choices and value not in self.options():
            return f"expected one of {', '.join(self.options())}{did_you_mean(str(value), self.options())}"
        for number in value if isinstance(value, (list, tuple)) else (value,):
            if isinstance(number, (int, float)) and not isinstance(number, bool) and not self._in_range(number):
                return f"expected {self._range()}"
        return self.check(value) if self.check else ""

    def _in_range(self, number: float) -> bool:
        return (
            math.isfinite(number)
            and (self.minimum is None or number >= self.minimum)
            and (self.above is None or number > self.above)
            and (self.maximum is None or number <= self.maximum)
        )

    def _range(self) -> str:
        if self.maximum is not None and self.minimum is not None:
            return f"a number from {self.minimum} to {self.maximum}"
        bounds = (("above", self.above), ("at least", self.minimum), ("at most", self.maximum))
        told = [f"{words} {bound}" for words, bound in bounds if bound is not None]
        return f"a finite number {' and '.join(told)}".strip()


def setting(default: Any, tooltip: str, *, since: str = "0.1", **declared: Any) -> Any:
    """A dataclass field that is a setting; ``declared`` are further fields of :class:`Setting`."""
    return field(default=default, metadata={_METADATA: Setting(tooltip=tooltip, since=since, **declared)})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Base class of groups of settings: frozen dataclasses whose values are checked when they are created."""

    title: ClassVar[str] = "settings"
    """Name of the group in messages and nodes."""

    def __post_init__(self) -> None:
        raise_all(problems_of(type(self), vars(self)), self.title)


def settings_of(group: type[Any]) -> dict[str, Setting]:
    """Name -> declaration of each setting of a group, in order."""
    return {f.name: f.metadata[_METADATA] for f in fields(group) if _METADATA in f.metadata}


def defaults_of(group: type[Any]) -> dict[str, Any]:
    """Name -> default of each setting of a group."""
    return {f.name: f.default for f in fields(group) if _METADATA in f.metadata}


def build(cls: type[T], values: Mapping[str, Any], *, where: str) -> T:
    """Make a ``cls`` from ``values``, or report all unknown keys, missing keys and invalid values together.

    Args:
        cls: a dataclass.
        values: field name -> value; lists become tuples where the field is one.
        where: what the values belong to, for the message; for example ``recipe``.

    Raises:
        ConfigError: with one line for each problem.
    """
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    problems = [unknown_setting(key, known, where) for key in values if key not in known]
    problems += problems_of(cls, {name: values[name] for name in known if name in values})
    problems += [
        f"{name}: missing"
        for name, declared in known.items()
        if name not in values and declared.default is MISSING and declared.default_factory is MISSING
    ]
    raise_all(problems, where)
    hints = _types_of(cls)
    return cls(**{name: tuple(v) if get_origin(hints[name]) is tuple else v for name, v in values.items()})


def problems_of(cls: type[Any], values: Mapping[str, Any]) -> list[str]:
    """One line for each value of a dataclass's field that is of the wrong type or, for settings, out of range."""
    hints, declared, problems = _types_of(cls), settings_of(cls), []
    for name, value in values.items():
        if not _fits(value, hints[name]):
            words = declared[name].words if name in declared else ()
            problems.append(f"{name}: got {value!r}, expected {' or '.join([_words(hints[name]), *words])}")
        elif name in declared and (wrong := declared[name].problem(value)):
            problems.append(f"{name}: got {value!r}, {wrong}")
    return problems


@cache
def _types_of(cls: type[Any]) -> dict[str, Any]:
    """Name -> type of each field; their texts are evaluated once, as pages ask for recipes while a training goes on."""
    return get_type_hints(cls)


def unknown_setting(name: str, known: Iterable[str], where: str) -> str:
    """The line of a message about a setting that doesn't exist."""
    return f"{name}: not a setting of {where}{did_you_mean(name, known)}"


def raise_all(problems: list[str], where: str) -> None:
    """Raise one ``ConfigError`` that lists all problems, if there are any."""
    if problems:
        count = f"{len(problems)} invalid setting{'s' if len(problems) > 1 else ''}"
        raise ConfigError("\n  ".join([f"{where} has {count}:", *problems]), hint="correct the settings listed above.")


def positive(problems: list[str], owner: object, *names: str, zero: bool = False) -> None:
    """Add a line for each of these attributes that isn't a finite number above 0, or 0 if ``zero`` allows it."""
    for name in names:
        value = getattr(owner, name)
        if not isinstance(value, (int, float)) or not math.isfinite(value) or value < 0 or (value == 0 and not zero):
            problems.append(f"{name}: got {value!r}, expected a finite number {'at least' if zero else 'above'} 0")


def one_of(problems: list[str], owner: object, name: str, allowed: tuple[str, ...]) -> None:
    """Add a line for an attribute that isn't one of ``allowed``."""
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
    if origin is tuple:
        return {int: "whole numbers, comma-separated", str: "a list of texts"}.get(get_args(hint)[0], "a list")
    names = {float: "a number", int: "a whole number", str: "text", bool: "true or false", type(None): "nothing"}
    return names.get(hint, str(hint))

"""Further arguments of an optimizer, written as ``name = value``."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from ..core.fields import raise_all
from ..core.words import did_you_mean
from .optimizers import OPTIMIZERS

_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def own_arguments(optimizer: str) -> dict[str, Any]:
    """Name -> default of what an optimizer takes beside the weight decay."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(OPTIMIZERS.get(optimizer)).parameters.items()
        if parameter.default is not parameter.empty
    }


def parse_optimizer_settings(optimizer: str, entries: Sequence[str]) -> dict[str, Any]:
    """The arguments that entries such as ``betas = 0.9, 0.99`` give.

    Raises:
        ConfigError: with one line for each entry that is unknown to the optimizer, comes twice or can't be read.
    """
    known, values, problems = own_arguments(optimizer), {}, []
    for entry in entries:
        name, equals, text = (part.strip() for part in entry.partition("="))
        if not equals:
            problems.append(f"{entry!r} isn't of the form name = value")
        elif name not in known:
            allowed = ", ".join(known) or "nothing"
            problems.append(f"{name}: {optimizer} takes {allowed}{did_you_mean(name, known)}")
        elif name in values:
            problems.append(f"{name}: given twice")
        else:
            try:
                values[name] = _read(text, known[name])
            except (ValueError, KeyError):
                problems.append(f"{name}: got {text!r}, expected a value like {_shown(known[name])}")
    raise_all(problems, "optimizer_settings")
    return values


def _read(text: str, like: Any) -> Any:
    """A text as a value of the type of another."""
    if isinstance(like, bool):
        return _SWITCHES[text.lower()]
    if not isinstance(like, tuple):
        return type(like)(text)
    numbers = tuple(float(number) for number in text.strip("()[]").replace(",", " ").split())
    if len(numbers) != len(like):
        raise ValueError(text)
    return numbers


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)

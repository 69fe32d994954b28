"""Arguments of tools: their JSON Schemas, and what is told of those that don't fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..engine.core.errors import ConfigError
from ..engine.core.words import counted, did_you_mean, first_of

if TYPE_CHECKING:
    from jsonschema import ValidationError

Schema = Mapping[str, Any]
_SHOWN = 80
"""Characters of a value in messages."""


def an_object(properties: Mapping[str, Schema], required: Sequence[str] = ()) -> dict[str, Any]:
    """The schema of a tool's arguments; others are refused."""
    return {
        "type": "object", "properties": dict(properties), "required": list(required), "additionalProperties": False,
    }  # fmt: skip


def text(description: str, *, most: int = 2000, least: int = 0, **more: Any) -> dict[str, Any]:
    """A text; lengths in characters."""
    shortest = {"minLength": least} if least else {}
    return {"type": "string", "description": description, "maxLength": most, **shortest, **more}


def choice(description: str, options: Sequence[str], **more: Any) -> dict[str, Any]:
    """One of some texts."""
    return {"type": "string", "description": description, "enum": [*options], **more}


def whole(description: str, low: int, high: int, **more: Any) -> dict[str, Any]:
    """A whole number, bounds included."""
    return {"type": "integer", "description": description, "minimum": low, "maximum": high, **more}


def number(description: str, low: float, high: float, **more: Any) -> dict[str, Any]:
    """A number, bounds included."""
    return {"type": "number", "description": description, "minimum": low, "maximum": high, **more}


def switch(description: str, **more: Any) -> dict[str, Any]:
    """True or false."""
    return {"type": "boolean", "description": description, **more}


def checked(schema: Schema, arguments: Mapping[str, Any], tool: str) -> dict[str, Any]:
    """The arguments of a call, with defaults for those that are left out.

    Args:
        schema: of :func:`an_object`.
        arguments: as they came.
        tool: for the message.

    Raises:
        ConfigError: with one line for each that is unknown, missing or doesn't fit.
    """
    from jsonschema import Draft202012Validator

    errors = sorted(Draft202012Validator(schema).iter_errors(arguments), key=lambda error: [*map(str, error.path)])
    if problems := list(dict.fromkeys(line for error in errors for line in _told(error))):
        raise ConfigError(
            "\n  ".join([f"This call of {tool} has {counted(len(problems), 'problem')}:", *problems]),
            hint="correct what is listed above, and call it again.",
        )
    defaults = {name: own["default"] for name, own in schema["properties"].items() if "default" in own}
    return defaults | dict(arguments)


def _told(error: ValidationError) -> Iterator[str]:
    """What is wrong, a line each."""
    where = ".".join(map(str, error.path)) or "the call"
    own: Mapping[str, Any] = error.schema if isinstance(error.schema, dict) else {}
    if error.validator == "additionalProperties":
        known = own.get("properties", {})
        for name in error.instance if isinstance(error.instance, dict) else ():
            if name not in known:
                yield f"{name}: unknown{did_you_mean(str(name), known)} (it takes {first_of([*known], 20)})"
    elif error.validator == "required":
        wanted: Any = error.validator_value
        lacking = [name for name in wanted if name not in error.instance]
        yield from (f"{name}: missing, expected {_expected(own['properties'].get(name, {}))}" for name in lacking)
    else:
        near = did_you_mean(error.instance, own["enum"]) if "enum" in own and isinstance(error.instance, str) else ""
        yield f"{where}: got {_shown(error.instance)}, expected {_expected(own)}{near}"


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"


_KINDS = {
    "string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
    "array": "a list", "object": "an object",
}  # fmt: skip


def _expected(own: Schema) -> str:
    if "enum" in own:
        return f"one of {first_of([*map(str, own['enum'])], 20)}"
    words = _KINDS.get(str(own.get("type")), "a value")
    low, high = own.get("minimum"), own.get("maximum")
    if low is not None and high is not None:
        words += f" from {low:g} to {high:g}"
    if "pattern" in own:
        words += f" such as {own['examples'][0]}" if own.get("examples") else f" that fits {own['pattern']}"
    if "maxLength" in own and "enum" not in own:
        words += f" of {own.get('minLength', 0)} to {own['maxLength']} characters"
    if own.get("type") == "array":
        words += f" of {own.get('minItems', 0)} to {own.get('maxItems', 'any')} entries"
    return words

"""Files in TOML, and values for them from a command line."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .encodings import decoded
from .errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]  # installed there

LARGEST_NUMBER = 2**63 - 1
"""TOML has no larger whole numbers."""
Home = Callable[[dict[str, Any], list[str], str], list[str]]
"""(values of a file, sections and name of an assignment) -> the sections where the value goes."""


def read_toml(path: Path, example: str) -> dict[str, Any]:
    """The values of a file.

    Args:
        path: of the file.
        example: path of a documented one, for the message.

    Raises:
        ConfigError: it can't be read.
    """
    try:
        return tomllib.loads(decoded(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"{path} can't be read: {getattr(error, 'strerror', None) or error}",
            expected="a text file in TOML",
            hint=f"compare it with {example}.",
        ) from error


def assign(values: dict[str, Any], assignment: str, home: Home = lambda _values, sections, _name: sections) -> str:
    """Put one ``section.name=value`` into the values of a file; returns what is wrong with it.

    Args:
        values: of the file.
        assignment: with a value in TOML; text needs no quotes.
        home: where a value goes that may stand in several places.
    """
    address, equals, text = assignment.partition("=")
    *sections, name = address.strip().split(".")
    if not (equals and name and all(sections)):
        return f"{assignment!r} isn't of the form section.name=value"
    table: Any = values
    for section in home(values, sections, name):
        table = table.setdefault(section, {})
        if not is_table(table):
            return f"{assignment!r}: {section} isn't a section"
    try:
        table[name] = tomllib.loads(f"value = {text}")["value"]
    except (ValueError, KeyError):  # text without quotes
        table[name] = text
    return ""


def assign_all(values: dict[str, Any], assignments: Sequence[str], **options: Any) -> list[str]:
    """What is wrong with each of several assignments, after :func:`assign`."""
    return [problem for assignment in assignments if (problem := assign(values, assignment, **options))]


def is_table(value: object) -> bool:
    return isinstance(value, dict)

"""Values of an axis as people write them: ``0.4, 0.6``, ``0-1 (5)``, ``512x768``, ``fox:0.8 + riso:0.6``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import TypeVar

from ..adapters.adapter import Adapter
from ..adapters.stack import StackEntry
from ..core.errors import ConfigError

N = TypeVar("N", int, float)
MOST_VALUES = 10_000
"""Of one axis."""
NONE = "none"
"""Stands for no adapter."""
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)"
_RANGE = re.compile(rf"({_NUMBER})\s*-\s*({_NUMBER})(?:\s*\(({_NUMBER})\)|\s*\[(\d+)\])?")
_SIZE = re.compile(r"(\d+)\s*[x×*]\s*(\d+)")

Find = Callable[[str], Adapter]
"""Reads an adapter by the name of its file."""


def lines(text: str) -> tuple[str, ...]:
    """The lines of a text that aren't blank, stripped."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def floats(text: str) -> tuple[float, ...]:
    """Finite numbers and ranges, separated by commas or line ends.

    As in the X/Y/Z plots of web UIs, ``0-1 (0.25)`` is a range by steps, and ``0-1 [5]`` one of so many values.

    Raises:
        ConfigError: there is none, or something else.
    """
    found = tuple(float(value) for part in _parts(text) for value in _range(part))
    if not found or not all(map(math.isfinite, found)):
        raise _unreadable(text, "numbers such as 0.4, 0.6, 0.8, or a range such as 0-1 [5]")
    return found


def integers(text: str) -> tuple[int, ...]:
    """Whole numbers and ranges such as ``0-9`` or ``10-50 (10)``, separated by commas or line ends.

    Raises:
        ConfigError: there is none, or something else.
    """
    numbers = [value for part in _parts(text) for value in _range(part)]
    if not numbers or any(number != number.to_integral_value() for number in numbers):
        raise _unreadable(text, "whole numbers such as 10, 20, 30, or a range such as 0-9")
    return tuple(map(int, numbers))


def within(values: Sequence[N], name: str, least: float, most: float) -> Sequence[N]:
    """The values, all of them in a range.

    Raises:
        ConfigError: one isn't.
    """
    for value in values:
        if not least <= value <= most:
            raise ConfigError(f"{name} got {value}.", expected=f"{least} to {most}", hint="correct the value.")
    return values


def sizes(text: str) -> tuple[tuple[int, int], ...]:
    """Widths and heights such as ``512x768``, separated by commas or line ends.

    Raises:
        ConfigError: there is none, or something else.
    """
    found = [_SIZE.fullmatch(part) for part in _parts(text)]
    if not found or not all(found):
        raise _unreadable(text, "sizes in pixels such as 512x768, 768x512")
    for side in (int(side) for size in found if size for side in size.groups()):
        if side % 8 or not 8 <= side <= 8192:
            raise ConfigError(f"size got {side}.", expected="multiples of 8 up to 8192", hint="round it.")
    return tuple((int(size[1]), int(size[2])) for size in found if size)


def stacks(text: str, find: Find) -> tuple[tuple[StackEntry, ...], ...]:
    """Stacks, one a line, of files with weights: ``fox:0.8 + riso:0.6``; ``none`` for no adapter.

    A second weight, as in ``fox:0.8:0.4``, is that of the text encoder.

    Raises:
        AdapterError: there is no such file, or it is damaged.
    """
    return tuple(() if line.casefold() == NONE else tuple(_entries(line, find)) for line in lines(text))


def file_names(text: str) -> tuple[str, ...]:
    """The names of adapters in such lines."""
    named = (part for line in lines(text) if line.casefold() != NONE for part in re.split(r"\s\+\s", line))
    return tuple(_weighted(part)[0] for part in named)


def _entries(line: str, find: Find) -> Iterator[StackEntry]:
    for part in re.split(r"\s\+\s", line):
        name, weights = _weighted(part)
        yield StackEntry(find(name), weights[0], weights[-1])


def _weighted(part: str) -> tuple[str, list[float]]:
    """(name, its one or two weights, 1 by default)."""
    name, weights = part.strip(), list[float]()
    while len(weights) < 2 and (found := re.fullmatch(rf"(.+):\s*({_NUMBER})", name)):
        name, weights = found[1].strip(), [float(found[2]), *weights]
    return name, weights or [1.0]


def _parts(text: str) -> list[str]:
    return [part.strip() for part in re.split("[,，、\n]", text) if part.strip()]


def _range(part: str) -> list[Decimal]:
    """The values of one number or range; in decimals, so that 0.1 three times is 0.3."""
    if re.fullmatch(_NUMBER, part):
        return [Decimal(part)]
    found = _RANGE.fullmatch(part)
    if found is None:
        raise _unreadable(part, "a number, or a range such as 0-9, 0-1 (0.25) or 0-1 [5]")
    first, last = Decimal(found[1]), Decimal(found[2])
    if found[4]:
        return _spaced(first, last, int(found[4]))
    step = abs(Decimal(found[3] or 1)) * (1 if last >= first else -1)
    count = int((last - first) / step) + 1 if step else 0
    if not 2 <= count <= MOST_VALUES:
        raise _unreadable(part, f"2 to {MOST_VALUES} values; [5] behind a range asks for five, (0.25) for that step")
    return [first + step * number for number in range(count)]


def _spaced(first: Decimal, last: Decimal, count: int) -> list[Decimal]:
    if not 2 <= count <= MOST_VALUES:
        raise _unreadable(f"{first}-{last} [{count}]", f"2 to {MOST_VALUES} values in a range")
    return [round(first + (last - first) * number / (count - 1), 6) for number in range(count)]


def _unreadable(text: str, expected: str) -> ConfigError:
    return ConfigError(
        f"{text[:80]!r} can't be read.", expected=expected, hint="separate values by commas or line ends."
    )

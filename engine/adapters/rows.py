"""Stacks as text, a line for each adapter, which people, agents and the editor of *Stack* write alike::

    # on | adapter | weight | text encoder | blocks | triggers
    on | subjects/fox.safetensors | 0.8 | 0.6 | mid=0.5, up.1=0.8 | tok fox
    off | styles/riso

All fields after the adapter may be left out: the weight is 1, the text encoder's weight is the same, all blocks count
in full, and the adapter's first trigger phrase is on. Several phrases are separated by ``;``, and ``-`` is none. Empty
lines and those that begin with ``#`` are skipped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ..core.errors import ConfigError, WorkbenchError
from .block_weights import parse_block_weights

LARGEST = 10.0
"""Absolute value of a weight."""
MOST_ROWS = 500
LONGEST = 5000
"""Characters of a line."""
NO_TRIGGERS = "-"
EXAMPLE = "on | subjects/fox.safetensors | 0.8 | 0.6 | mid=0.5 | tok fox"
_FIELDS = 6
_STATES = {"on": True, "off": False}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One adapter of a stack, by the name of its file."""

    adapter: str
    enabled: bool = True
    weight: float = 1.0
    text_encoder_weight: float = 1.0
    blocks: str = ""
    """Block weights as they are written."""
    triggers: tuple[str, ...] | None = None
    """The trigger phrases that are on; ``None``: the adapter's first."""
    line: int = 0
    """Where it was written, from 1."""

    def __str__(self) -> str:
        fields = [
            "on" if self.enabled else "off", self.adapter, f"{self.weight:g}",
            "" if self.text_encoder_weight == self.weight else f"{self.text_encoder_weight:g}", self.blocks,
            "" if self.triggers is None else "; ".join(self.triggers) or NO_TRIGGERS,
        ]  # fmt: skip
        while not fields[-1]:
            fields.pop()
        return "|".join(f" {field} " if field else " " for field in fields).strip()


def parse_rows(text: str) -> tuple[Row, ...]:
    """The rows of a stack's text.

    Raises:
        ConfigError: with every line that can't be read.
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if len(lines) > MOST_ROWS:
        raise ConfigError(
            f"A stack of {len(lines)} rows.", expected=f"{MOST_ROWS} at most", hint="merge some of the adapters."
        )
    rows, problems = [], []
    for number, line in lines:
        row, wrong = _row(number, line)
        rows.append(row)
        problems += [f"line {number}: {problem}" for problem in wrong]
    if problems:
        raise unreadable(problems)
    return tuple(rows)


def unreadable(problems: list[str]) -> ConfigError:
    """The error for all that is wrong with a stack's text, a line each."""
    return ConfigError(
        "\n".join(["This stack can't be used.", *problems]),
        expected=f"a line for each adapter, such as: {EXAMPLE}",
        hint="correct these lines; fields after the adapter may be left out.",
    )


def weight_of(text: str) -> float | None:
    """A weight as it is written; ``None`` if it isn't a number, or is out of range."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) <= LARGEST else None


def _row(number: int, line: str) -> tuple[Row, list[str]]:
    """A line as a row, and what is wrong with it."""
    if len(line) > LONGEST:
        return Row(adapter="", line=number), [f"{len(line)} characters, expected {LONGEST} at most"]
    fields = [field.strip() for field in line.split("|")]
    if len(fields) > _FIELDS:
        return Row(adapter="", line=number), [f"{len(fields)} fields, expected {_FIELDS} at most"]
    state, adapter, weight, text, blocks, triggers = [*fields, *[""] * (_FIELDS - len(fields))]
    problems = list(_problems(state, adapter, weight, text, blocks))
    share = weight_of(weight or "1") or 0.0
    return Row(
        adapter=adapter, enabled=_STATES.get(state.lower(), True), weight=share,
        text_encoder_weight=(weight_of(text) or 0.0) if text else share, blocks=blocks, triggers=_phrases(triggers),
        line=number,
    ), problems  # fmt: skip


def _problems(state: str, adapter: str, weight: str, text: str, blocks: str) -> Iterator[str]:
    if state.lower() not in _STATES:
        yield f"{_short(state)} isn't on or off"
    if not adapter:
        yield "it names no adapter"
    for name, value in (("weight", weight), ("weight for the text encoder", text)):
        if value and weight_of(value) is None:
            yield f"{_short(value)} isn't a {name} from {-LARGEST:g} to {LARGEST:g}"
    try:
        parse_block_weights(blocks)
    except WorkbenchError as error:
        yield error.got


def _phrases(text: str) -> tuple[str, ...] | None:
    if not text:
        return None
    return () if text == NO_TRIGGERS else tuple(phrase.strip() for phrase in text.split(";") if phrase.strip())


def _short(text: str, most: int = 40) -> str:
    return repr(text if len(text) <= most else f"{text[:most]}…")

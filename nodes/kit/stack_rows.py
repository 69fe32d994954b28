"""Rows of text as stacks: their adapters found, read and checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ...engine.adapters.finding import place
from ...engine.core.errors import WorkbenchError, in_a_line
from ..host import host
from .vault import adapter_at

if TYPE_CHECKING:
    from ...engine.adapters.rows import Row
    from ...engine.adapters.stack import Stack, StackEntry

T = TypeVar("T")


def adapter_named(name: str) -> Path:
    """The file of an adapter, by a name as people write it: without folders or suffix, if only one has it.

    Raises:
        AdapterError: several are meant, or none; near names are told.
    """
    return place(name, host().adapter_files(), host().adapter_path)


def paths_of(text: str) -> list[tuple[Row, Path]]:
    """The rows that are on, with the files of their adapters.

    Raises:
        ConfigError: with every row that can't be read, or whose adapter can't be found.
    """
    from ...engine.adapters.pasted_rows import read_rows

    names = host().adapter_files()
    rows = [row for row in read_rows(text) if row.enabled]
    return list(zip(rows, _each(rows, lambda row: place(row.adapter, names, host().adapter_path)), strict=True))


def stack_of(rows: Sequence[tuple[Row, Path]]) -> Stack:
    """The stack of some rows, whose files are read, or taken from memory if they were read recently.

    Raises:
        ConfigError: with every row whose file is damaged, or whose block weights don't fit it.
    """
    from ...engine.adapters.stack import Stack

    with host().computing():
        return Stack(tuple(_each(rows, _entry, lambda item: item[0])))


def remarks(stack: Stack) -> Iterator[str]:
    """Trigger phrases of rows that their adapters don't name, a sentence each."""
    for entry in stack.active():
        own = [phrase.lower() for phrase in entry.adapter.triggers]
        strange = [repr(phrase) for phrase in entry.triggers or () if phrase.lower() not in own]
        if own and strange:
            names = ", ".join(map(repr, entry.adapter.triggers))
            yield f"{', '.join(strange)} isn't among the trigger phrases of {entry.adapter.name} ({names})."


def summary(stack: Stack) -> list[str]:
    """A line for each adapter: its weights, its blocks and the trigger phrases that are on."""
    lines = []
    for entry in stack.active():
        text = "" if entry.text_encoder_weight == entry.weight else f" / {entry.text_encoder_weight:g}"
        blocks = f" ({entry.blocks})" if entry.blocks else ""
        phrases = "; ".join(entry.phrases) or "no trigger phrase"
        lines.append(f"{entry.adapter.name} {entry.weight:g}{text}{blocks}: {phrases}")
    return lines


def _entry(item: tuple[Row, Path]) -> StackEntry:
    from ...engine.adapters.block_weights import block_weights
    from ...engine.adapters.stack import StackEntry

    row, path = item
    adapter = adapter_at(path)
    return StackEntry(
        adapter, row.weight, row.text_encoder_weight, blocks=block_weights(row.blocks, adapter), triggers=row.triggers
    )


def _each(items: Iterable[T], make: Callable[[T], object], row_of: Callable[[T], Row] | None = None) -> list:
    """What ``make`` makes of each item, or one error that tells all that went wrong."""
    from ...engine.adapters.rows import unreadable

    made, problems = [], []
    for item in items:
        row = row_of(item) if row_of else item
        try:
            made.append(make(item))
        except WorkbenchError as error:
            where = f"line {row.line}" if row.line else row.adapter  # type: ignore[attr-defined]
            problems.append(f"{where}: {in_a_line(error)}")
    if problems:
        raise unreadable(problems)
    return made

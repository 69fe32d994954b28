"""Ranges of a denoiser's blocks, and patterns for its layers, as people write them into a recipe."""

from __future__ import annotations

import re
from typing import NamedTuple

_ENTRY = re.compile(r"(?:(?P<stack>[A-Za-z_][\w.]*))?\s*(?:(?P<first>\d+)(?:\s*-\s*(?P<last>\d+))?)?")


class BlockRange(NamedTuple):
    """Some blocks of a stack."""

    stack: str
    """Path of a list of modules, such as ``double_blocks``; empty for the model's only long one."""
    numbers: range | None
    """``None`` for all."""

    def each(self) -> list[BlockRange]:
        """One range for each number."""
        return [BlockRange(self.stack, range(n, n + 1)) for n in self.numbers] if self.numbers else [self]

    def __str__(self) -> str:
        if self.numbers is None:
            return self.stack
        first, last = self.numbers[0], self.numbers[-1]
        return f"{self.stack} {first}-{last}".strip() if last > first else f"{self.stack} {first}".strip()


def pattern_problem(text: str) -> str:
    """What is wrong with a value of ``layers``; empty if nothing is."""
    try:
        re.compile(text)
    except re.error as error:
        return f"expected a regular expression ({error})"
    return ""


def blocks_problem(text: str) -> str:
    """What is wrong with a value of ``blocks``; empty if nothing is."""
    try:
        parse_blocks(text)
    except ValueError as error:
        return f"expected block ranges such as 0-7, 12 or single_blocks 1-16; double_blocks 0-1 ({error})"
    return ""


def parse_blocks(text: str) -> list[BlockRange]:
    """Block ranges as people write them: ``0-7, 12`` or ``single_blocks 1-16; double_blocks 0-1``.

    Args:
        text: a name holds for the numbers after it; a name without numbers means all blocks.

    Raises:
        ValueError: with what can't be read.
    """
    found, stack = [], ""
    for entry in filter(None, (part.strip() for part in re.split("[,;\n]", text))):
        read = _ENTRY.fullmatch(entry)
        if read is None:
            raise ValueError(f"{entry!r} isn't one")
        stack = read["stack"] or stack
        if read["first"] is None:
            found.append(BlockRange(stack, None))
            continue
        first, last = int(read["first"]), int(read["last"] or read["first"])
        if last < first:
            raise ValueError(f"{entry!r} ends before it begins")
        found.append(BlockRange(stack, range(first, last + 1)))
    return found

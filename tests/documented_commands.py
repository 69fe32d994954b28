"""The commands in the documentation, as the programs' own parsers read them."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lora_workbench.cli.main import parser

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
ENDS = {"|", "&&", ";", "||", "&", ">", "2>&1"}
"""Words that end a command."""


@dataclass(frozen=True)
class Command:
    """A simple command of a page."""

    page: str
    words: tuple[str, ...]

    def after(self, *program: str) -> tuple[str, ...] | None:
        """The arguments of a program, wherever in the command it stands last; ``None`` if it doesn't."""
        size = len(program)
        places = [n + size for n in range(len(self.words)) if self.words[n : n + size] == program]
        return self.words[places[-1] :] if places else None


def commands(page: Path) -> Iterator[Command]:
    """Those in its blocks of shell, one by one; what a command gives another in quotes to run comes after it."""
    for block in BLOCK.findall(page.read_text("utf-8")):
        for line in re.sub(r"\\\n", " ", block).splitlines():
            yield from _in_line(page.name, line)


def _in_line(page: str, line: str) -> Iterator[Command]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;")
    lexer.whitespace_split, lexer.commenters = True, "#"
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in ENDS:
            words.append(word)
        elif words:
            yield Command(page, tuple(words))
            yield from (found for word in words if " " in word for found in _in_line(page, word))
            words = []


def parsed(arguments: tuple[str, ...]) -> argparse.Namespace:
    """The arguments of ``lora-workbench``, read by its programs' parsers.

    Raises:
        SystemExit: there is no such command or option.
    """
    return parser().parse_args(arguments)

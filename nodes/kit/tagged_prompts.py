"""Prompts that name adapters, as in ``<lora:fox:0.8>``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...engine.core.errors import AdapterError, ConfigError, in_a_line
from .inputs import lines
from .stack_rows import adapter_named, stack_of

if TYPE_CHECKING:
    from ...engine.adapters.rows import Row
    from ...engine.adapters.stack import Stack


@dataclass(frozen=True)
class TaggedPrompts:
    """Prompts, read."""

    prompts: tuple[str, ...]
    """One a line, without tags."""
    rows: tuple[tuple[Row, Path], ...]
    """What the tags say, each once, with the adapter's file."""
    uneven: bool
    """Whether some prompts have tags that others don't have."""

    def remarks(self) -> Iterator[str]:
        """What a person should know, one sentence each."""
        if self.uneven:
            yield "The adapters that one prompt names count for all prompts, since they share the stack."


def read_prompts(text: str) -> TaggedPrompts:
    """The prompts of a text, one a line.

    Raises:
        ConfigError: with every tag that can't be read, or whose adapter can't be found.
    """
    from ...engine.adapters.lora_tags import read_tags

    read = [read_tags(line) for line in lines(text)]
    problems = [problem for tags in read for problem in tags.problems]
    paths = {}
    for row in dict.fromkeys(row for tags in read for row in tags.rows):
        try:
            paths[row] = adapter_named(row.adapter) if row.adapter else Path()
        except AdapterError as error:
            problems.append(f"<lora:{row.adapter}>: {in_a_line(error)}")
    if problems:
        raise ConfigError(
            "\n".join(["These tags in the prompts can't be used.", *problems]),
            expected="<lora:fox:0.8>, <lora:subjects/fox:0.8:0.6> or <lora:fox:0.8:lbw=mid=0.5,up=0>",
            hint="correct them; the weights are those of the denoiser and of the text encoder, in this order.",
        )
    prompts = tuple(tags.text for tags in read if tags.text) or ("",)  # trigger words make a prompt of nothing
    each = {tags.rows for tags in read if tags.text}
    return TaggedPrompts(prompts, tuple(paths.items()), uneven=len(each) > 1)


def stack_of_tags(read: TaggedPrompts) -> Stack:
    """The adapters that prompts name.

    Raises:
        ConfigError: with every file that is damaged, and block weights that don't fit.
    """
    return stack_of(read.rows)

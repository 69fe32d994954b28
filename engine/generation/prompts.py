"""Prompts from templates: ``{a|b|c}``, ``{2$$a|b|c}``, ``__wildcards__`` and ``${variables}``, in the syntax of the
dynamicprompts library, which web UIs use too."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from ..core.errors import ConfigError, DatasetError
from ..core.words import between_commas, did_you_mean, first_of, missing
from ..data.captions_on_disk import decode_text

MOST_PROMPTS = 10_000
"""Of all templates together."""


def all_prompts(templates: Sequence[str], lists: Mapping[str, Sequence[str]], roots: Sequence[Path]) -> list[str]:
    """Every combination of each template, each prompt once.

    Args:
        templates: at least one.
        lists: wildcards by name, which come before those of files.
        roots: folders with wildcard files, ``.txt`` with a value a line, or ``.yaml`` and ``.json`` with several lists.

    Raises:
        ConfigError: there are more than ``MOST_PROMPTS``, which isn't found out by making them all; a template can't be
            read, or names a wildcard that doesn't exist; or dynamicprompts isn't installed.
    """
    context = _context(lists, roots, seed=None)
    found: dict[str, None] = {}
    for template in templates:
        for prompt in _sampled(context, template, every=True):
            found[prompt] = None
            if len(found) > MOST_PROMPTS:
                raise ConfigError(
                    f"The templates have more than {MOST_PROMPTS:,} combinations.",
                    expected=f"at most {MOST_PROMPTS:,} prompts",
                    hint="draw some of them at random, or leave out choices.",
                )
    return list(found)


def random_prompts(
    templates: Sequence[str], count: int, seed: int, lists: Mapping[str, Sequence[str]], roots: Sequence[Path]
) -> list[str]:
    """So many prompts of each template, drawn at random; those that are drawn again are left out.

    Args:
        templates: as for :func:`all_prompts`, as are ``lists`` and ``roots``.
        count: prompts of each template.
        seed: equal ones draw the same.

    Raises:
        ConfigError: as for :func:`all_prompts`.
    """
    if count * len(templates) > MOST_PROMPTS:
        raise ConfigError(
            f"{count:,} prompts of each of {len(templates)} templates are asked for.",
            expected=f"at most {MOST_PROMPTS:,} in all",
            hint="lower count.",
        )
    context = _context(lists, roots, seed=seed)
    return list(dict.fromkeys(p for template in templates for p in islice(_sampled(context, template), count)))


def read_lists(text: str) -> dict[str, list[str]]:
    """Lists as people write them, one a line: ``color: red, green, blue``.

    Raises:
        ConfigError: a line has no name or no values, or the name of another.
    """
    found: dict[str, list[str]] = {}
    for line in filter(None, map(str.strip, text.lstrip("\ufeff").splitlines())):
        name, *values = (part.strip() for part in re.split("[:：]", line, maxsplit=1))
        made = between_commas("".join(values))
        if not name or not made or name in found:
            raise ConfigError(
                f"{line[:80]!r} isn't a list." if name not in found else f"There are two lists called {name!r}.",
                expected="a name and values, such as color: red, green, blue",
                hint="write one list a line; __color__ in a template stands for one of its values.",
            )
        found[name] = made
    return found


def _sampled(context: Any, template: str, *, every: bool = False) -> Iterator[str]:
    """The prompts of a template, made one by one, on a single line each; those of every value of its variables, too."""
    from dynamicprompts.parser.parse import parse
    from pyparsing import ParseBaseException

    try:
        parsed = parse(template)
        for command in _with_variables(context, parsed) if every else [parsed]:
            for made in context.sample_prompts(command):
                yield " ".join(str(made).split())
    except (ParseBaseException, ValueError, RecursionError) as error:
        raise ConfigError(
            f"The template {template[:200]!r} can't be read: {error or 'it contains itself'}",
            expected="{a|b}, {2$$a|b|c}, __wildcard__, ${name=value}",
            hint="look for a bracket that isn't closed, or a wildcard that names itself.",
        ) from error


def _with_variables(context: Any, command: Any) -> Iterator[Any]:
    """A parsed template with each combination of values of the variables that are chosen once, ``${name=!{a|b}}``, of
    which dynamicprompts itself takes the first."""
    from dynamicprompts.commands import LiteralCommand, SequenceCommand
    from dynamicprompts.commands.variable_commands import VariableAssignmentCommand

    tokens = command.tokens if isinstance(command, SequenceCommand) else []
    for place, token in enumerate(tokens):
        if isinstance(token, VariableAssignmentCommand) and token.immediate:
            for value in context.generator_from_command(token.value):
                chosen = replace(token, value=LiteralCommand(str(value)), immediate=False)
                rest = replace(command, tokens=[*tokens[:place], chosen, *tokens[place + 1 :]])
                yield from _with_variables(context, rest)
            return
    yield command


def _context(lists: Mapping[str, Sequence[str]], roots: Sequence[Path], seed: int | None) -> Any:
    """What dynamicprompts samples with: every combination, or with a seed, at random."""
    try:
        from dynamicprompts.enums import SamplingMethod
        from dynamicprompts.sampling_context import SamplingContext
        from dynamicprompts.wildcards import WildcardManager
    except ImportError as error:
        raise ConfigError(
            f"Templates can't be read: {missing('dynamicprompts', 'prompts')}.", hint="install it, then restart."
        ) from error
    import random

    class Wildcards(WildcardManager):
        """Those of lists and files; one that doesn't exist is an error, not text."""

        def get_values(self, wildcard: str) -> Any:
            values = super().get_values(wildcard)
            if not values:
                raise _no_wildcard(wildcard, sorted(self.get_collection_names()), roots)
            return values

    files: list[Any] = [_wildcard_files(root) for root in roots if root.is_dir()]
    named: Any = {name: list(values) for name, values in lists.items()}
    return SamplingContext(
        wildcard_manager=Wildcards(root_map={"": [*files, named]}),
        default_sampling_method=SamplingMethod.COMBINATORIAL if seed is None else SamplingMethod.RANDOM,
        rand=random.Random(seed),
    )


def _wildcard_files(root: Path) -> dict[str, Any]:
    """Wildcards by name; the library itself leaves out, in silence, what it can't decode of a text file."""
    from dynamicprompts.utils import is_empty_line
    from dynamicprompts.wildcards.collection import WildcardTextFile
    from dynamicprompts.wildcards.tree.build import build_tree_from_path

    class TextFile(WildcardTextFile):
        """One that is read when a template names it."""

        def get_values(self) -> list[str]:
            return [line.strip() for line in _text_of(self._path).split("\n") if not is_empty_line(line)]

    found = dict(build_tree_from_path(root).map)
    texts = {name for name, values in found.items() if isinstance(values, WildcardTextFile)}
    return {name: TextFile(root / f"{name}.txt") if name in texts else values for name, values in found.items()}


def _text_of(path: Path) -> str:
    try:
        return decode_text(path.read_bytes(), path.name)
    except (DatasetError, OSError) as error:
        raise ConfigError(
            f"The wildcard file {path} can't be read: {getattr(error, 'got', error)}",
            expected="text in UTF-8",
            hint="save it as UTF-8 in a text editor.",
        ) from error


def _no_wildcard(name: str, known: list[str], roots: Sequence[Path]) -> ConfigError:
    places = ", ".join(map(str, roots))
    return ConfigError(
        f"There is no wildcard {name!r}{did_you_mean(name, known) or '.'}",
        expected=f"one of {first_of(known, 12)}" if known else f"a list, or a file below {places}",
        hint=f"add a line to lists, such as {name}: red, green, or a file {name}.txt below {roots[0]}."
        if roots
        else f"add a line to lists, such as {name}: red, green.",
    )

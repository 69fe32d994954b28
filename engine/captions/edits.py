"""Captions edited by rule: replaced, removed, added, framed, put in another order, overridden by file name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ..core.errors import CaptionError
from ..data.dataset import Dataset
from ..data.listing import canonical, stem
from ..data.tags import join_tags, shuffled, split_tags

REGEX_SECONDS = 2.0
"""For all captions together. Ordinary patterns take microseconds; some nested ones would take years."""
MAX_PATTERN = 1000
"""Letters of a pattern, and of what takes the place of its matches."""


@dataclass(frozen=True, kw_only=True)
class CaptionEdits:
    """What is done to each caption, in the order of these fields. Pictures without a caption stay without one."""

    find: str = ""
    """Text to look for; empty for none."""
    replace_with: str = ""
    regex: bool = False
    """Whether ``find`` is a regular expression, in which case ``replace_with`` may hold ``\\1``."""
    remove: tuple[str, ...] = ()
    """Tags to take out, in capitals or not."""
    add: tuple[str, ...] = ()
    """Tags to put at the end of captions that lack them."""
    shuffle: bool = False
    keep: int = 1
    """Tags at the beginning that keep their places when the others are shuffled."""
    seed: int = 0
    prefix: str = ""
    """Put before the caption as it stands, blanks included."""
    suffix: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Picture -> its caption to the letter; no other edit touches it, and an empty one takes the caption away.

    A picture's name may leave out folders and ending where no other picture is called so too.
    """


def edit_captions(dataset: Dataset, edits: CaptionEdits) -> Dataset:
    """The data set with edited captions; it stays as it is itself.

    Raises:
        CaptionError: the pattern isn't one, or takes too long; an override is for no picture, or for several.
    """
    overrides = _by_record(dataset, edits.overrides)
    replace = _replacement(edits)
    captions = []
    for record in dataset:
        if record.name in overrides:
            captions.append(overrides[record.name].strip() or None)
        else:
            captions.append(record.caption and _edited(record.caption, edits, replace))
    return dataset.with_captions(captions)


def parse_overrides(text: str, dataset: Dataset) -> dict[str, str]:
    """One ``file name: caption`` a line; blank lines don't count. A colon in a file name does no harm.

    Raises:
        CaptionError: lines without a colon, or two for one picture, all named.
    """
    names = _names(dataset)
    found: dict[str, str] = {}
    problems = []
    for line in filter(str.strip, text.splitlines()):
        name, colon, caption = _parted(line, names)
        if not colon:
            problems.append(f"no colon in {line.strip()!r}")
        elif name in found:
            problems.append(f"two lines for {name!r}")
        found[name] = caption.strip()
    if problems:
        raise CaptionError(
            "Overrides can't be read: " + "; ".join(problems),
            expected="one line for each picture, such as fox 2.png: a fox in snow",
            hint="write the file's name, a colon and the caption.",
        )
    return found


def changes(before: Dataset, after: Dataset) -> list[tuple[str, str | None, str | None]]:
    """(name, caption before, caption after) of each record whose caption differs."""
    pairs = zip(before, after, strict=True)
    return [(old.name, old.caption, new.caption) for old, new in pairs if old.caption != new.caption]


def _edited(caption: str, edits: CaptionEdits, replace: Callable[[str], str]) -> str | None:
    caption = replace(caption)
    if edits.remove or edits.add:
        caption = _with_tags(caption, edits)
    if edits.shuffle:
        caption = shuffled(caption, edits.keep, edits.seed)
    return f"{edits.prefix}{caption}{edits.suffix}".strip() or None


def _with_tags(caption: str, edits: CaptionEdits) -> str:
    unwanted = {tag.lower() for tag in edits.remove}
    tags = split_tags(caption)
    kept = [tag for tag in tags if tag.lower() not in unwanted]
    there = {tag.lower() for tag in kept}
    kept += [tag for tag in dict.fromkeys(edits.add) if tag.lower() not in there]
    return caption if kept == tags else join_tags(kept)


def _replacement(edits: CaptionEdits) -> Callable[[str], str]:
    """What replaces text in a caption.

    Raises:
        CaptionError: as in ``edit_captions``.
    """
    if not edits.find:
        return lambda caption: caption
    if not edits.regex:
        return lambda caption: caption.replace(edits.find, edits.replace_with)
    return _Pattern(edits.find, edits.replace_with)


class _Pattern:
    """A regular expression and what takes the place of its matches, within ``REGEX_SECONDS`` for all captions.

    The library ``regex`` stands in for Python's ``re``, which can't be stopped.
    """

    def __init__(self, pattern: str, replace_with: str) -> None:
        import regex

        self._pattern, self._replace_with, self._left = pattern, replace_with, REGEX_SECONDS
        if max(len(pattern), len(replace_with)) > MAX_PATTERN:
            raise self._refused(f"it is longer than {MAX_PATTERN} letters")
        try:
            self._compiled = regex.compile(pattern)
        except (regex.error, RecursionError, OverflowError, MemoryError, ValueError) as error:
            raise self._refused(str(error) or type(error).__name__) from error

    def __call__(self, caption: str) -> str:
        import regex

        began = time.monotonic()
        try:
            return self._compiled.sub(self._replace_with, caption, timeout=max(self._left, 1e-3))
        except TimeoutError as error:
            raise CaptionError(
                f"The pattern {self._pattern!r} takes too long: it was stopped after {REGEX_SECONDS:g} s.",
                expected="a pattern without repeats inside repeats, such as (a+)+",
                hint="simplify the pattern, or look for plain text.",
            ) from error
        except (regex.error, IndexError, RecursionError, MemoryError) as error:
            raise self._refused(str(error) or type(error).__name__) from error
        finally:
            self._left -= time.monotonic() - began

    def _refused(self, reason: str) -> CaptionError:
        return CaptionError(
            f"The pattern {self._pattern!r} with the replacement {self._replace_with!r} can't be used: {reason}.",
            expected=r"a regular expression, such as \bfox\b, and a replacement, such as cat or \1",
            hint=r"put a backslash before signs that are meant as they stand, such as \( or \+, or switch regex off.",
        )


def _names(dataset: Dataset) -> dict[str, list[str]]:
    """Each name that a record can be called by -> the names of the records."""
    names: dict[str, list[str]] = {}
    for record in dataset:
        whole = canonical(record.name)
        last = PurePosixPath(whole).name
        for name in dict.fromkeys([whole, stem(whole), last, stem(last)]):
            names.setdefault(name, []).append(record.name)
    return names


def _parted(line: str, names: Mapping[str, list[str]]) -> tuple[str, str, str]:
    """(name, colon, caption): parted at the first colon after a known name, or else at the first colon."""
    at = line.find(":")
    while at >= 0:
        if canonical(line[:at].strip()) in names:
            return line[:at].strip(), ":", line[at + 1 :]
        at = line.find(":", at + 1)
    name, colon, caption = line.partition(":")
    return name.strip(), colon, caption


def _by_record(dataset: Dataset, overrides: Mapping[str, str]) -> dict[str, str]:
    """Overrides by the whole names of records.

    Raises:
        CaptionError: a name stands for no record or for several, or two names for the same one; all are told.
    """
    names = _names(dataset)
    found: dict[str, str] = {}
    problems = []
    for name, caption in overrides.items():
        spelt = canonical(name)
        meant = [record.name for record in dataset if canonical(record.name) == spelt] or names.get(spelt, [])
        if len(meant) != 1:
            problems.append(f"{name!r} is {'no picture' if not meant else 'the name of ' + ', '.join(meant)}")
        elif meant[0] in found:
            problems.append(f"{meant[0]!r} is meant twice")
        else:
            found[meant[0]] = caption
    if problems:
        raise CaptionError(
            f"Overrides can't be used: {'; '.join(problems)}.",
            expected=f"names of pictures in {dataset.name}, such as {', '.join(r.name for r in dataset.records[:3])}",
            hint="write the names as LW_PreviewDataset shows them, with folders where they are needed.",
        )
    return found

"""Rules for editing captions: replace text, remove, add and shuffle tags, prefix, suffix, overrides by file name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ..core.errors import CaptionError
from ..core.words import first_of
from ..data.dataset import Dataset
from ..data.names import canonical, stem
from ..data.tags import join_tags, shuffled, split_tags

REGEX_SECONDS = 2.0
"""Time limit for all captions together. Ordinary patterns take microseconds; some nested ones would take years."""
MAX_PATTERN_LENGTH = 1000
"""Characters in a pattern, and in its replacement."""


@dataclass(frozen=True, kw_only=True)
class CaptionEdits:
    """Edits of each caption, applied in the order of these fields. Pictures without a caption remain without one."""

    find: str = ""
    """Text to replace; empty for none."""
    replace_with: str = ""
    regex: bool = False
    """Whether ``find`` is a regular expression, so that ``replace_with`` may contain ``\\1``."""
    remove: tuple[str, ...] = ()
    """Tags to remove, ignoring case."""
    add: tuple[str, ...] = ()
    """Tags to append to captions that lack them."""
    shuffle: bool = False
    keep: int = 1
    """Number of tags at the beginning that are not shuffled."""
    seed: int = 0
    prefix: str = ""
    """Put before the caption exactly as written, including spaces."""
    suffix: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    """Picture -> its exact caption, without any other edit; an empty one removes the caption.

    Folders and extension can be omitted from a picture's name if the rest is unique.
    """


def edit_captions(dataset: Dataset, edits: CaptionEdits) -> Dataset:
    """The data set with edited captions; the original is not modified.

    Raises:
        CaptionError: the pattern is invalid or takes too long, or an override matches no picture or several.
    """
    overrides = _by_record(dataset, edits.overrides)
    pattern = _Pattern(edits.find, edits.replace_with) if edits.regex and edits.find else None
    captions = []
    for record in dataset:
        if record.name in overrides:
            captions.append(overrides[record.name].strip() or None)
        else:
            captions.append(record.caption and _edited(record.caption, edits, pattern))
    return dataset.with_captions(captions)


def parse_overrides(text: str, dataset: Dataset) -> dict[str, str]:
    """Parse one ``file name: caption`` per line. Blank lines are skipped; file names may contain colons.

    Raises:
        CaptionError: lines without a colon, or two for one picture, all named.
    """
    names = _names(dataset)
    found: dict[str, str] = {}
    problems = []
    for line in filter(str.strip, text.splitlines()):
        name, colon, caption = _split_override(line, names)
        if not colon:
            problems.append(f"no colon in {line.strip()!r}")
        elif name in found:
            problems.append(f"two lines for {name!r}")
        found[name] = caption.strip()
    if problems:
        raise CaptionError(
            "The overrides can't be read: " + "; ".join(problems),
            expected="one line for each picture, such as fox 2.png: a fox in snow",
            hint="write the file name, a colon and the caption.",
        )
    return found


def changes(before: Dataset, after: Dataset) -> list[tuple[str, str | None, str | None]]:
    """(name, caption before, caption after) of each record whose caption differs."""
    pairs = zip(before, after, strict=True)
    return [(old.name, old.caption, new.caption) for old, new in pairs if old.caption != new.caption]


def _edited(caption: str, edits: CaptionEdits, pattern: _Pattern | None) -> str | None:
    if pattern:
        caption = pattern.replace_in(caption)
    elif edits.find:
        caption = caption.replace(edits.find, edits.replace_with)
    if edits.remove or edits.add:
        caption = _with_tags(caption, edits)
    if edits.shuffle:
        caption = shuffled(caption, edits.keep, edits.seed)
    return f"{edits.prefix}{caption}{edits.suffix}".strip() or None


def _with_tags(caption: str, edits: CaptionEdits) -> str:
    """The caption with tags removed and added; unchanged to the letter if there is nothing to do."""
    unwanted = {tag.lower() for tag in edits.remove}
    tags = split_tags(caption)
    kept = [tag for tag in tags if tag.lower() not in unwanted]
    present = {tag.lower() for tag in kept}
    kept += [tag for tag in dict.fromkeys(edits.add) if tag.lower() not in present]
    return caption if kept == tags else join_tags(kept)


class _Pattern:
    """A regular expression with its replacement, limited to ``REGEX_SECONDS`` for all captions together.

    Uses the library ``regex``, since Python's ``re`` has no time limit.
    """

    def __init__(self, pattern: str, replace_with: str) -> None:
        import regex

        self._pattern, self._replace_with, self._left = pattern, replace_with, REGEX_SECONDS
        if max(len(pattern), len(replace_with)) > MAX_PATTERN_LENGTH:
            raise self._refused(f"it is longer than {MAX_PATTERN_LENGTH} characters")
        try:
            self._compiled = regex.compile(pattern)
        except (regex.error, RecursionError, OverflowError, MemoryError, ValueError) as error:
            raise self._refused(str(error) or type(error).__name__) from error

    def replace_in(self, caption: str) -> str:
        """The caption with all matches replaced.

        Raises:
            CaptionError: the time is up, or the replacement doesn't fit the pattern.
        """
        import regex

        began = time.monotonic()
        try:
            return self._compiled.sub(self._replace_with, caption, timeout=max(self._left, 1e-3))
        except TimeoutError as error:
            raise CaptionError(
                f"The pattern {self._pattern!r} takes too long: it was stopped after {REGEX_SECONDS:g} s.",
                expected="a pattern without repeats inside repeats, such as (a+)+",
                hint="simplify the pattern, or switch regex off and replace plain text.",
            ) from error
        except (regex.error, IndexError, RecursionError, MemoryError) as error:
            raise self._refused(str(error) or type(error).__name__) from error
        finally:
            self._left -= time.monotonic() - began

    def _refused(self, reason: str) -> CaptionError:
        return CaptionError(
            f"The pattern {self._pattern!r} with the replacement {self._replace_with!r} can't be used: {reason}.",
            expected=r"a regular expression, such as \bfox\b, and a replacement, such as cat or \1",
            hint=r"put a backslash before literal characters, such as \( or \+, or switch regex off.",
        )


def _names(dataset: Dataset) -> dict[str, list[str]]:
    """Each full or short name -> the records that it can mean."""
    names: dict[str, list[str]] = {}
    for record in dataset:
        whole = canonical(record.name)
        last = PurePosixPath(whole).name
        for name in dict.fromkeys([whole, stem(whole), last, stem(last)]):
            names.setdefault(name, []).append(record.name)
    return names


def _split_override(line: str, names: Mapping[str, list[str]]) -> tuple[str, str, str]:
    """(name, colon, caption), split at the first colon after a known name, or else at the first colon."""
    at = line.find(":")
    while at >= 0:
        if canonical(line[:at].strip()) in names:
            return line[:at].strip(), ":", line[at + 1 :]
        at = line.find(":", at + 1)
    name, colon, caption = line.partition(":")
    return name.strip(), colon, caption


def _by_record(dataset: Dataset, overrides: Mapping[str, str]) -> dict[str, str]:
    """Overrides by the full names of records.

    Raises:
        CaptionError: names that match no record or several, or the same one twice, all named.
    """
    names = _names(dataset)
    found: dict[str, str] = {}
    problems = []
    for name, caption in overrides.items():
        wanted = canonical(name)
        matches = [record.name for record in dataset if canonical(record.name) == wanted] or names.get(wanted, [])
        if not matches:
            problems.append(f"{name!r} matches no picture")
        elif len(matches) > 1:
            problems.append(f"{name!r} matches several pictures: {first_of(matches)}")
        elif matches[0] in found:
            problems.append(f"{matches[0]!r} has two overrides")
        else:
            found[matches[0]] = caption
    if problems:
        raise CaptionError(
            f"The overrides can't be used: {'; '.join(problems)}.",
            expected=f"names of pictures in {dataset.name}, such as {', '.join(r.name for r in dataset.records[:3])}",
            hint="write the names as LW_PreviewDataset shows them, with folders where needed.",
        )
    return found

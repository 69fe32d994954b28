"""Rules for editing captions: replace text, remove, add and shuffle tags, prefix, suffix, overrides by file name."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.errors import CaptionError
from ..data.dataset import Dataset
from ..data.tags import shuffled, with_tags, without_tags
from .overrides import by_record

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
    """Tags to remove, ignoring case; not from prose."""
    add: tuple[str, ...] = ()
    """Tags to append to captions that lack them, prose included."""
    separator: str = ""
    """Where captions are split into tags; empty for where they usually are, and not in prose."""
    shuffle: bool = False
    keep: int = 1
    """Number of tags at the beginning that are not shuffled, without keep marks."""
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
    overrides = by_record(dataset, edits.overrides)
    pattern = _Pattern(edits.find, edits.replace_with) if edits.regex and edits.find else None
    captions = []
    for record in dataset:
        if record.name in overrides:
            captions.append(overrides[record.name].strip() or None)
        else:
            captions.append(record.caption and _edited(record.caption, edits, pattern))
    return dataset.with_captions(captions)


def changes(before: Dataset, after: Dataset) -> list[tuple[str, str | None, str | None]]:
    """(name, caption before, caption after) of each record whose caption differs."""
    pairs = zip(before, after, strict=True)
    return [(old.name, old.caption, new.caption) for old, new in pairs if old.caption != new.caption]


def _edited(caption: str, edits: CaptionEdits, pattern: _Pattern | None) -> str | None:
    if pattern:
        caption = pattern.replace_in(caption)
    elif edits.find:
        caption = caption.replace(edits.find, edits.replace_with)
    caption = with_tags(without_tags(caption, edits.remove, edits.separator), edits.add, edits.separator)
    if edits.shuffle:
        caption = shuffled(caption, edits.keep, edits.seed, edits.separator)
    return f"{edits.prefix}{caption}{edits.suffix}".strip() or None


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

"""What edits of captions didn't do, in words, so that nothing that was asked for goes missing unnoticed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..core.words import first_of
from ..data.dataset import Dataset, ImageRecord
from ..data.marks import in_words, marks_in
from ..data.scripts import composed, find_word
from ..data.tags import is_list, shuffled, split_tags
from .edits import CaptionEdits, edit_captions
from .overrides import by_record


def edit_notes(before: Dataset, after: Dataset, edits: CaptionEdits) -> list[str]:
    """A line each for edits that changed nothing, captions that were left alone, and other programs' marks.

    Args:
        before: the data set that was edited.
        after: the result.
        edits: what was asked for.
    """
    overridden = by_record(before, edits.overrides)
    edited = [record for record in before if record.caption and record.name not in overridden]
    replaced = edit_captions(replace(before, records=tuple(edited)), _only_find(edits)).records
    lines = [*_unused(edits), *_find(edited, replaced, edits), *_remove(replaced, edits), *_shuffle(replaced, edits)]
    lines += _without_caption(before, edits)
    return lines + in_words(marks_in((r.name, r.caption) for r in after if r.caption))


def _only_find(edits: CaptionEdits) -> CaptionEdits:
    return CaptionEdits(find=edits.find, replace_with=edits.replace_with, regex=edits.regex)


def _unused(edits: CaptionEdits) -> Iterator[str]:
    """What was filled in for an edit that wasn't asked for."""
    for what, wanted, without in (
        (("replace_with", "regex"), edits.find, "find is empty"),
        (("keep", "seed"), edits.shuffle, "shuffle is off"),
        (("separator",), edits.remove or edits.add or edits.shuffle, "there is nothing to remove, add or shuffle"),
    ):
        given = [name for name in what if getattr(edits, name) != getattr(CaptionEdits, name)]
        if given and not wanted:
            yield f"{' and '.join(given)}: not used, as {without}"


def _find(edited: Sequence[ImageRecord], replaced: Sequence[ImageRecord], edits: CaptionEdits) -> Iterator[str]:
    if not edits.find:
        return
    if not edits.regex and not any(edits.find in (r.caption or "") for r in edited):
        yield f"find: {edits.find!r} is in no caption"
    elif edits.regex and all(old.caption == new.caption for old, new in zip(edited, replaced, strict=True)):
        yield f"find: the pattern {edits.find!r} changes no caption"


def _remove(edited: Sequence[ImageRecord], edits: CaptionEdits) -> Iterator[str]:
    for tag in edits.remove:
        listed = [r for r in edited if _has_tag(r.caption or "", tag, edits.separator)]
        inside = [r.name for r in edited if r not in listed and find_word(composed(r.caption or ""), tag)]
        if inside:
            yield (
                f"remove: {tag!r} is part of a longer tag or of prose, and stays there: {first_of(inside)}; "
                "to remove it, use find"
            )
        elif not listed:
            yield f"remove: {tag!r} is in no caption"


def _has_tag(caption: str, tag: str, separator: str) -> bool:
    if not is_list(caption, separator):
        return False
    return tag.lower() in (known.lower() for known in split_tags(caption, separator))


def _shuffle(edited: Sequence[ImageRecord], edits: CaptionEdits) -> Iterator[str]:
    if not edits.shuffle:
        return
    if prose := [r.name for r in edited if not is_list(r.caption or "", edits.separator)]:
        yield f"shuffle: {len(prose)} captions are prose or data, not tags, and keep their order: {first_of(prose)}"
    elif all(shuffled(r.caption or "", edits.keep, 0, edits.separator) == r.caption for r in edited):
        yield "shuffle: no caption has two tags to shuffle"


def _without_caption(before: Dataset, edits: CaptionEdits) -> Iterator[str]:
    asked = [name for name in ("add", "prefix", "suffix") if getattr(edits, name)]
    bare = [r.name for r in before if not r.caption]
    if asked and bare:
        yield f"{' and '.join(asked)}: pictures without a caption stay without: {first_of(bare)}"

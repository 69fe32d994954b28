"""Pairs of pictures that show less and more of a property, matched by file name, for sliders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..core.errors import CaptionError, DatasetError
from ..core.words import counted, first_of
from .dataset import Dataset, ImageRecord
from .names import stem


@dataclass(frozen=True, kw_only=True)
class Opposites:
    """Two data sets of equal length whose records belong together."""

    positives: Dataset
    negatives: Dataset
    """With the captions, repeats, crops, masks and augmentations of the positive pictures."""
    notes: tuple[str, ...]
    """Pictures without a partner, for people."""


def opposites(positives: Dataset, negatives: Dataset, prompts: Sequence[str] = ()) -> Opposites:
    """Match pictures of two data sets by their paths without endings.

    Args:
        positives: pictures with more of the property.
        negatives: pictures with less of it.
        prompts: captions that both pictures of a pair get, in turn; without them, the pictures keep their own.

    Raises:
        DatasetError: no pictures match, several have one name, or the two of a pair are equal or differ in size.
        CaptionError: there are no prompts, and the captions of a pair differ.
    """
    by_stem = [_by_stem(dataset) for dataset in (positives, negatives)]
    shared = [name for name in by_stem[0] if name in by_stem[1]]
    alone = [record.name for own in by_stem for name, record in own.items() if name not in shared]
    if not shared:
        raise DatasetError(
            f"No picture of {positives.name} has a partner in {negatives.name}: {first_of(alone)}",
            expected="two pictures of the same name in both data sets, such as more/face.png and less/face.png",
            hint="rename the files, so that the pictures of a pair have one name.",
        )
    pairs = [(by_stem[0][name], by_stem[1][name]) for name in shared]
    _check(pairs)
    if prompts:
        captions = [prompts[number % len(prompts)] for number in range(len(pairs))]
    else:
        captions = [_caption(*pair) for pair in pairs]
    more = tuple(replace(up, caption=caption, trigger=None) for (up, _), caption in zip(pairs, captions, strict=True))
    less = tuple(
        replace(up, source=down.source, content_hash=down.content_hash, width=down.width, height=down.height)
        for up, (_, down) in zip(more, pairs, strict=True)
    )
    notes = (f"{counted(len(alone), 'picture')} without a partner, not used: {first_of(alone)}",) if alone else ()
    return Opposites(
        positives=replace(positives, records=more, trigger=None),
        negatives=replace(negatives, records=less, trigger=None),
        notes=notes,
    )


def _by_stem(dataset: Dataset) -> dict[str, ImageRecord]:
    """Path without its ending -> record."""
    counts = Counter(stem(record.name) for record in dataset)
    if several := [record.name for record in dataset if counts[stem(record.name)] > 1]:
        raise DatasetError(
            f"Pictures of {dataset.name} have the same name, so that their partners are unclear: {first_of(several)}",
            expected="one picture of each name, whatever its ending",
            hint="rename or remove the others.",
        )
    return {stem(record.name): record for record in dataset}


def _check(pairs: Sequence[tuple[ImageRecord, ImageRecord]]) -> None:
    if equal := [up.name for up, down in pairs if up.content_hash == down.content_hash]:
        raise DatasetError(
            f"Both pictures of these pairs are the same: {first_of(equal)}",
            expected="pictures that differ in the property",
            hint="connect the pictures with more of it to positive_pictures, those with less to negative_pictures.",
        )
    if unlike := [
        f"{up.name} ({up.width} x {up.height} and {down.width} x {down.height})"
        for up, down in pairs
        if (up.width, up.height) != (down.width, down.height)
    ]:
        raise DatasetError(
            f"The pictures of these pairs differ in size: {first_of(unlike)}",
            expected="pictures that differ in nothing but the property",
            hint="crop and scale both pictures of a pair alike.",
        )


def _caption(up: ImageRecord, down: ImageRecord) -> str | None:
    if up.caption and down.caption and up.caption.strip() != down.caption.strip():
        raise CaptionError(
            f"The pictures of the pair {up.name} have two captions: {up.caption!r} and {down.caption!r}",
            expected="one caption for both, which doesn't name the property, since the weight stands for it",
            hint="write a neutral prompt, which all pairs then have.",
        )
    return up.caption or down.caption

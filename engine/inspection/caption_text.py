"""What is remarkable in the text of captions: other programs' marks, and more tokens than a chunk has."""

from __future__ import annotations

from collections.abc import Iterator

from ..data.caption_tokens import Tokenizing, caption_tokens
from ..data.dataset import Dataset
from ..data.limits import MAX_CHARACTERS
from ..data.marks import marks_in
from .report import NOTE, Finding

_PLACEHOLDER, _MARK = 0.2, 0.3
_ABSURD, _DIVIDED, _LATE = 0.9, 0.5, 0.45


def mark_findings(dataset: Dataset) -> Iterator[Finding]:
    """Other programs' marks; those that are understood are notes."""
    for mark, names in marks_in((r.name, r.caption) for r in dataset if r.caption):
        placeholder = mark.name.startswith("[trigger]")
        yield Finding(
            kind="placeholder" if placeholder else "mark",
            text=f"{len(names)} of {len(dataset)} pictures have {mark.name} in their captions, {mark.fate}",
            advice=mark.advice or "nothing needs to be done",
            importance=(_PLACEHOLDER if placeholder else _MARK) if mark.advice else NOTE,
            pictures=tuple(names),
        )


def length_findings(dataset: Dataset, backbone: Tokenizing) -> Iterator[Finding]:
    """Captions of more than one chunk, and where the trigger word falls in them."""
    found = caption_tokens(backbone, dataset)
    if found.absurd:
        yield Finding(
            kind="absurd caption",
            text=f"{len(found.absurd)} captions have more than {MAX_CHARACTERS:,} characters",
            advice="training refuses them; check that their files hold captions",
            importance=_ABSURD,
            pictures=tuple(found.absurd),
        )
    if found.long:
        yield Finding(
            kind="long caption",
            text=found.long_in_words(),
            advice="all of them is trained; shorten captions that programs with one chunk will use",
            importance=NOTE,
        )
    for kind, names, where, importance in (
        ("divided trigger word", found.divided, "is divided between two chunks", _DIVIDED),
        ("late trigger word", found.late, "comes after the first chunk, where other programs cut captions", _LATE),
    ):
        if names:
            yield Finding(
                kind=kind,
                text=f"in {len(names)} captions the trigger word {found.words} {where}",
                advice="put it near the start of the caption",
                importance=importance,
                pictures=names,
            )

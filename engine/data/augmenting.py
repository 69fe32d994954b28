"""Augmentation of a data set, and reasons not to mirror it."""

from __future__ import annotations

import re
from dataclasses import replace

from ..core.errors import DatasetError
from ..core.words import first_of
from .dataset import Dataset
from .views import Augmentation

SHOWS = ("unknown", "faces", "text or logos", "neither")
FLIPS = ("no", "yes", "yes, even so")

_FACES = (
    "face faces portrait portraits headshot selfie person people man men woman women boy girl child children kid baby "
    "guy lady actor actress singer model"
)
_TEXT = (
    "text texts letter letters lettering word words writing handwriting typography font logo logos sign signs signage "
    "label labels poster posters newspaper book books page watermark signature caption subtitle subtitles clock map"
)
_SIDES = "left right left-hand right-hand leftmost rightmost 左 右"
"""Also those of Chinese and Japanese, which stand alike in both."""
_REASONS = {
    "faces": "no face is symmetric, so the adapter would learn parting, moles and smile on both sides",
    "text": "the adapter would learn letters and logos mirrored too",
    "sides": "left and right in the captions would be wrong for the mirrored pictures",
}
_WORDS = {"faces": _FACES, "text": _TEXT, "sides": _SIDES}


def augmented(dataset: Dataset, augmentation: Augmentation, *, flip: str, shows: str) -> Dataset:
    """The data set with augmentation: small random changes of its pictures during training.

    Faces and letters are not detected in the pixels. Whether mirroring is safe is judged by what the user says the
    pictures show, and otherwise by English words in the captions and the class word.

    Args:
        dataset: the data set; not modified.
        augmentation: the changes; its ``flip`` is replaced by the next argument.
        flip: ``no``; ``yes``, unless there is a reason against it; or ``yes, even so``.
        shows: what the pictures show, one of ``SHOWS``.

    Raises:
        DatasetError: ``flip`` is ``yes`` and there is a reason against it, or a value is unknown.
    """
    if flip not in FLIPS or shows not in SHOWS:
        raise DatasetError(
            f"flip is {flip!r} and shows is {shows!r}.",
            expected=f"flip: one of {', '.join(FLIPS)}; shows: one of {', '.join(SHOWS)}",
            hint="choose one of these values.",
        )
    if flip == "yes" and (reasons := against_flipping(dataset, shows)):
        raise DatasetError(
            "These pictures shouldn't be mirrored:\n  " + "\n  ".join(reasons),
            expected="no faces, letters or logos in the pictures, and no left and right in the captions",
            hint="set flip to no; if you know better, set shows, or set flip to 'yes, even so'.",
        )
    augmentation = replace(augmentation, flip=flip != "no")
    changes = augmentation.flip or augmentation.crop or augmentation.color
    records = tuple(replace(record, augmentation=augmentation if changes else None) for record in dataset)
    return replace(dataset, records=records)


def against_flipping(dataset: Dataset, shows: str) -> list[str]:
    """Reasons not to mirror the pictures, one sentence each."""
    said = {"faces": "faces", "text or logos": "text"}.get(shows)
    reasons = [f"you said that the pictures show {shows}; {_REASONS[said]}."] if said else []
    for kind in _WORDS if shows == "unknown" else ("sides",):
        if places := _first_places(dataset, _WORDS[kind]):
            named = first_of([f"{word!r} ({place})" for word, place in places.items()])
            reasons.append(f"the captions say {named}; {_REASONS[kind]}.")
    described = any(r.caption for r in dataset) or any(trigger.class_word for trigger in dataset.triggers)
    if shows == "unknown" and not described:
        reasons.append("there are no captions that tell what the pictures show; set shows.")
    return reasons


def _first_places(dataset: Dataset, words: str) -> dict[str, str]:
    """Word -> the first place that has it, for the words that occur in the captions or the class word."""
    wanted = sorted(words.split(), key=len, reverse=True)
    pattern = re.compile("|".join(rf"\b{word}\b" if word.isascii() else word for word in wanted), re.IGNORECASE)
    texts = [(record.caption or "", record.name) for record in dataset]
    texts = [(trigger.class_word, "the class word") for trigger in dataset.triggers] + texts
    places: dict[str, str] = {}
    for text, place in texts:
        for word in pattern.findall(text):
            places.setdefault(word.lower(), place)
    return places

"""Augmentation chosen for a data set, and what speaks against mirroring it."""

from __future__ import annotations

import re
from dataclasses import replace

from ..core.errors import DatasetError
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
_SIDES = "left right left-hand right-hand leftmost rightmost"
_REASONS = {
    "faces": "no face is symmetric: parting, moles and smile would be learned on both sides",
    "text": "letters and logos would be learned mirrored too",
    "sides": "the captions' left and right would be wrong in half of the views",
}
_WORDS = {"faces": _FACES, "text": _TEXT, "sides": _SIDES}


def augmented(dataset: Dataset, augmentation: Augmentation, *, flip: str, shows: str) -> Dataset:
    """The data set with small changes that a training may make to its pictures.

    Nothing looks at the pixels for faces or letters: what speaks against mirroring is what the user says the pictures
    show, or else English words in captions and class word.

    Args:
        dataset: left as it is.
        augmentation: the changes; its ``flip`` follows from the next argument.
        flip: ``no``, ``yes`` where nothing speaks against it, ``yes, even so``.
        shows: what the pictures show: one of ``SHOWS``.

    Raises:
        DatasetError: mirroring was asked for and something speaks against it, or a value isn't known.
    """
    if flip not in FLIPS or shows not in SHOWS:
        raise DatasetError(
            f"flip is {flip!r} and shows is {shows!r}.",
            expected=f"flip: one of {', '.join(FLIPS)}; shows: one of {', '.join(SHOWS)}",
            hint="choose one of them.",
        )
    if flip == "yes" and (reasons := against_flipping(dataset, shows)):
        raise DatasetError(
            "Mirroring is refused:\n  " + "\n  ".join(reasons),
            expected="pictures that may be mirrored: no faces, letters or logos, no left and right in captions",
            hint="set flip to no; or say what the pictures show, or set flip to 'yes, even so' if you know better.",
        )
    augmentation = replace(augmentation, flip=flip != "no")
    changes = augmentation.flip or augmentation.crop or augmentation.color
    records = tuple(replace(record, augmentation=augmentation if changes else None) for record in dataset)
    return replace(dataset, records=records)


def against_flipping(dataset: Dataset, shows: str) -> list[str]:
    """What speaks against mirroring, one sentence each."""
    found = {kind: _found(dataset, words) for kind, words in _WORDS.items()}
    if shows != "unknown":
        found = {"sides": found["sides"], "faces": {}, "text": {}}
    said = {"faces": "faces", "text or logos": "text"}.get(shows)
    reasons = [f"you said that the pictures show {shows}; {_REASONS[said]}."] if said else []
    for kind, words in found.items():
        if words:
            named = ", ".join(f"{word!r} ({place})" for word, place in list(words.items())[:5])
            reasons.append(f"captions say {named}; {_REASONS[kind]}.")
    if (
        shows == "unknown"
        and not any(r.caption for r in dataset)
        and not (dataset.trigger and dataset.trigger.class_word)
    ):
        reasons.append("there are no captions to tell what the pictures show; say it in the input shows.")
    return reasons


def _found(dataset: Dataset, words: str) -> dict[str, str]:
    """Each of the words that captions or the class word hold, and the first place that does."""
    pattern = re.compile(rf"\b({'|'.join(sorted(words.split(), key=len, reverse=True))})\b", re.IGNORECASE)
    places = [(record.caption or "", record.name) for record in dataset]
    if dataset.trigger:
        places.insert(0, (dataset.trigger.class_word, "the class word"))
    found: dict[str, str] = {}
    for text, place in places:
        for word in pattern.findall(text):
            found.setdefault(word.lower(), place)
    return found

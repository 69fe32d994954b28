"""Problems with the captions of a data set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from ..data.dataset import Dataset
from ..data.scripts import words
from .report import Finding

_MIN_WORDS = 3
_SMALL_WORDS = {"a", "an", "the", "of", "photo", "picture", "image", "and", "with"}


def caption_findings(dataset: Dataset) -> Iterator[Finding]:
    """Captions that are missing, repeated, too short, or without the trigger word."""
    bare = [record.name for record in dataset if not (record.caption or "").strip()]
    if bare:
        yield _finding(
            "no caption", dataset, bare, "have no caption",
            "write .txt files beside the pictures, or add captions with LW_TriggerCaptions", 0.4,
        )  # fmt: skip
    if not dataset.has_pairs:  # an instruction may be short, and the same for all
        yield from _repeated(dataset)
        yield from _short(dataset, set(bare))
    if dataset.triggers and (lost := [name for name in dataset.missing_trigger() if name not in set(bare)]):
        named = ", ".join(repr(trigger.word) for trigger in dataset.triggers)
        yield _finding(
            "no trigger word", dataset, lost, f"lack the trigger word {named} in their captions",
            "use LW_TriggerCaptions with mode prepend or replace", 0.7,
        )  # fmt: skip


def _repeated(dataset: Dataset) -> Iterator[Finding]:
    same: dict[str, list[str]] = defaultdict(list)
    for record in dataset:
        if found := words(record.caption or ""):
            same[" ".join(found)].append(record.name)
    names = max(same.values(), key=len, default=[])
    if len(names) >= max(3, 0.25 * len(dataset)):
        yield _finding(
            "same caption", dataset, names, "have the same caption",
            "describe in each what isn't part of the concept: place, light, clothes, view", 0.35,
        )  # fmt: skip


def _short(dataset: Dataset, bare: set[str]) -> Iterator[Finding]:
    known = set(_SMALL_WORDS)
    for trigger in dataset.triggers:
        known |= set(words(f"{trigger.word} {trigger.class_word}"))
    short = [r.name for r in dataset if r.name not in bare and len(set(words(r.caption or "")) - known) < _MIN_WORDS]
    if short:
        yield _finding(
            "short caption", dataset, short, "have a caption that hardly describes them",
            "mention what varies, such as place, light and view; whatever no caption mentions is learned as part of "
            "the concept", 0.25,
        )  # fmt: skip


def _finding(kind: str, dataset: Dataset, names: list[str], what: str, advice: str, weight: float) -> Finding:
    return Finding(
        kind=kind,
        text=f"{len(names)} of {len(dataset)} pictures {what}",
        advice=advice,
        importance=weight * (0.5 + 0.5 * len(names) / len(dataset)),
        pictures=tuple(names),
    )

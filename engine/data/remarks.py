"""What a user should know of the files of a data set: those that weren't used, and notes about those that were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from ..core.words import first_of
from .dataset import Dataset


def remarks(dataset: Dataset, most: int = 5) -> list[str]:
    """One line for each reason, with the files that it holds for, then one for each kind of note.

    Args:
        dataset: what it skipped and noted is told.
        most: number of names in a line; the others are counted.
    """
    skipped = _grouped(((s.reason, s.name) for s in dataset.skipped), most)
    noted = _grouped(((note.text, note.name) for note in dataset.notes), most)
    return [f"skipped {names}: {reason}" for reason, names in skipped] + [f"{names}: {text}" for text, names in noted]


def _grouped(pairs: Iterable[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    groups: dict[str, list[str]] = defaultdict(list)
    for reason, name in pairs:
        groups[reason].append(name)
    return [
        (reason, names[0] if len(names) == 1 else f"{len(names)} files ({first_of(names, most)})")
        for reason, names in groups.items()
    ]

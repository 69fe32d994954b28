"""Which pictures of an inspected data set to keep and which to drop; files on disk are not touched."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from ..core.errors import DatasetError
from ..data.dataset import Dataset
from .flags import KINDS
from .report import Inspection

DROPPED = frozenset(name for name, kind in KINDS.items() if kind.drop)
"""Kinds of flaws for which pictures are dropped by default."""
IS_COPY_OF = " = "
"""Between the names of a duplicate and of the picture that it repeats, in a line of pictures to drop."""


@dataclass(frozen=True, kw_only=True)
class Curated:
    """A data set split in two, each part in the original order. Either part may be empty."""

    kept: Dataset
    dropped: Dataset
    reasons: tuple[tuple[str, str], ...]
    """Name and reason of each dropped picture, in order."""

    def text(self) -> str:
        """Which pictures were dropped, and why."""
        count = len(self.kept) + len(self.dropped)
        lines = [f"{self.kept.name}: {len(self.kept)} of {count} pictures kept, {len(self.dropped)} dropped"]
        return "\n".join([*lines, *(f"  dropped {name}: {reason}" for name, reason in self.reasons)])

    def values(self) -> dict[str, Any]:
        """Plain values for programs."""
        return {
            "kept": [record.name for record in self.kept],
            "dropped": [{"name": name, "reason": reason} for name, reason in self.reasons],
        }


def marked_duplicates(lines: Iterable[str], names: Collection[str]) -> tuple[list[str], dict[str, str]]:
    """Lines of pictures to drop as names, and as duplicates of other pictures, each ``name = other name``.

    A line that is a name as a whole is one, whatever is in it.

    Args:
        lines: as people write them.
        names: of all pictures.
    """
    known = set(names)
    drop: list[str] = []
    duplicates: dict[str, str] = {}
    for line in lines:
        splits = [] if line in known else list(_splits(line))
        if splits:
            copy, other = next((split for split in splits if known.issuperset(split)), splits[0])
            duplicates[copy] = other
        else:
            drop.append(line)
    return drop, duplicates


def _splits(line: str) -> Iterator[tuple[str, str]]:
    """Both sides of each equals sign: names may hold some."""
    parts = line.split(IS_COPY_OF)
    for at in range(1, len(parts)):
        yield IS_COPY_OF.join(parts[:at]).strip(), IS_COPY_OF.join(parts[at:]).strip()


def curate(
    inspection: Inspection,
    *,
    flaws: Collection[str] = DROPPED,
    keep: Collection[str] = (),
    drop: Collection[str] = (),
    duplicates: Mapping[str, str] = MappingProxyType({}),
) -> Curated:
    """Split a data set into pictures to keep and pictures to drop.

    Of each group of copies, the best one that isn't dropped for another flaw is kept.

    Args:
        inspection: the inspected data set.
        flaws: kinds of flaws for which pictures are dropped.
        keep: names of pictures to keep in any case.
        drop: names of pictures to drop in any case.
        duplicates: name of a picture to drop in any case -> the one that it repeats.

    Raises:
        DatasetError: a name isn't in the data set, or is both to keep and to drop; or duplicates repeat each other.
    """
    _check_names(inspection.dataset, keep, [*drop, *duplicates], duplicates.values())
    _check_duplicates(duplicates)
    reasons = _reasons(inspection, flaws, set(keep), set(drop), duplicates)
    records = inspection.dataset.records
    kept = tuple(record for number, record in enumerate(records) if number not in reasons)
    dropped = tuple(record for number, record in enumerate(records) if number in reasons)
    return Curated(
        kept=replace(inspection.dataset, records=kept),
        dropped=replace(inspection.dataset, records=dropped, name=f"{inspection.dataset.name} (dropped)", skipped=()),
        reasons=tuple((records[number].name, reasons[number]) for number in sorted(reasons)),
    )


def _reasons(
    inspection: Inspection, flaws: Collection[str], keep: set[str], drop: set[str], duplicates: Mapping[str, str]
) -> dict[int, str]:
    """Index of each dropped record -> reason."""
    reasons: dict[int, str] = {}
    for number, (record, picture) in enumerate(zip(inspection.dataset, inspection.pictures, strict=True)):
        found = [f"{f.label} ({f.reason})" for f in picture.flags if f.kind in flaws and f.kind != "duplicate"]
        if record.name in duplicates:
            reasons[number] = f"duplicate of {duplicates[record.name]}, marked by hand"
        elif record.name in drop:
            reasons[number] = "named by hand"
        elif found and record.name not in keep:
            reasons[number] = "; ".join(found)
    if "duplicate" in flaws:
        reasons |= dict(_spare_copies(inspection, reasons, keep))
    dropped = {inspection.dataset.records[number].name for number in reasons}
    for number, reason in reasons.items():
        if duplicates.get(inspection.dataset.records[number].name) in dropped:
            reasons[number] = f"{reason}; that one is dropped too"
    return reasons


def _spare_copies(inspection: Inspection, reasons: dict[int, str], keep: set[str]) -> Iterator[tuple[int, str]]:
    """Index and reason of all copies but the best of each group; those named in ``keep`` are spared."""
    records = inspection.dataset.records
    for group in inspection.groups:
        left = [number for number in group if number not in reasons]
        wanted = [number for number in left if records[number].name in keep]
        best = (wanted or left or [-1])[0]
        for number in left:
            if number != best and number not in wanted:
                yield number, f"duplicate of {records[best].name}"


def _check_names(dataset: Dataset, keep: Collection[str], drop: Collection[str], others: Collection[str]) -> None:
    unknown = sorted({*keep, *drop, *others} - {record.name for record in dataset})
    if unknown:
        raise DatasetError(
            f"{dataset.name} has no pictures with these names: {', '.join(unknown)}",
            expected="names as in the report and on the contact sheet, with their folders",
            hint="copy the names from the report.",
        )
    if both := sorted(set(keep) & set(drop)):
        raise DatasetError(
            f"Both to be kept and to be dropped: {', '.join(both)}", hint="remove them from one of the two lists."
        )


def _check_duplicates(duplicates: Mapping[str, str]) -> None:
    """Refuse duplicates of themselves, also by way of others: no picture of them would be kept."""
    for start in duplicates:
        chain = [start]
        while (other := duplicates.get(chain[-1])) is not None:
            chain.append(other)
            if other in chain[:-1]:
                raise DatasetError(
                    f"These pictures are marked as duplicates of each other: {IS_COPY_OF.join(chain)}",
                    expected="one of them that isn't marked, to be kept",
                    hint="remove the line of the picture to keep from drop.",
                )

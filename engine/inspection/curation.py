"""Which pictures of an inspected data set to keep and which to drop; files on disk are not touched."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import DatasetError
from ..data.dataset import Dataset
from .flags import KINDS
from .report import Inspection

DROPPED = frozenset(name for name, kind in KINDS.items() if kind.drop)
"""Kinds of flaws for which pictures are dropped by default."""


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


def curate(
    inspection: Inspection, *, flaws: Collection[str] = DROPPED, keep: Collection[str] = (), drop: Collection[str] = ()
) -> Curated:
    """Split a data set into pictures to keep and pictures to drop.

    Of each group of copies, the best one that isn't dropped for another flaw is kept.

    Args:
        inspection: the inspected data set.
        flaws: kinds of flaws for which pictures are dropped.
        keep: names of pictures to keep in any case.
        drop: names of pictures to drop in any case.

    Raises:
        DatasetError: a name isn't in the data set, or is in both ``keep`` and ``drop``.
    """
    _check_names(inspection.dataset, keep, drop)
    reasons = _reasons(inspection, flaws, set(keep), set(drop))
    records = inspection.dataset.records
    kept = tuple(record for number, record in enumerate(records) if number not in reasons)
    dropped = tuple(record for number, record in enumerate(records) if number in reasons)
    return Curated(
        kept=replace(inspection.dataset, records=kept),
        dropped=replace(inspection.dataset, records=dropped, name=f"{inspection.dataset.name} (dropped)", skipped=()),
        reasons=tuple((records[number].name, reasons[number]) for number in sorted(reasons)),
    )


def _reasons(inspection: Inspection, flaws: Collection[str], keep: set[str], drop: set[str]) -> dict[int, str]:
    """Index of each dropped record -> reason."""
    reasons: dict[int, str] = {}
    for number, (record, picture) in enumerate(zip(inspection.dataset, inspection.pictures, strict=True)):
        found = [f"{f.label} ({f.reason})" for f in picture.flags if f.kind in flaws and f.kind != "duplicate"]
        if record.name in drop:
            reasons[number] = "named by hand"
        elif found and record.name not in keep:
            reasons[number] = "; ".join(found)
    if "duplicate" in flaws:
        reasons |= dict(_spare_copies(inspection, reasons, keep))
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


def _check_names(dataset: Dataset, keep: Collection[str], drop: Collection[str]) -> None:
    unknown = sorted((set(keep) | set(drop)) - {record.name for record in dataset})
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

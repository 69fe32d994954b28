"""What to keep of a data set and what to drop, by the findings of its inspection; nothing on disk is touched."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..core.errors import DatasetError
from ..data.dataset import Dataset
from .flags import KINDS
from .report import Inspection

DROPPED = frozenset(name for name, kind in KINDS.items() if kind.drop)
"""Kinds of flaws for which pictures are dropped unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Curated:
    """A data set in two parts, each in its order."""

    kept: Dataset
    dropped: Dataset
    """May be empty, as may ``kept``."""
    reasons: tuple[tuple[str, str], ...]
    """Name and reason of each dropped picture, in their order."""

    def text(self) -> str:
        """Which were dropped and why."""
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
    inspection: Inspection, *, drop: Collection[str] = DROPPED, keep: Collection[str] = (), leave: Collection[str] = ()
) -> Curated:
    """Part a data set.

    Of pictures that are copies of each other, the best of those that aren't dropped for another flaw is kept.

    Args:
        inspection: of the data set.
        drop: kinds of flaws for which a picture is dropped.
        keep: names of pictures to keep whatever was found.
        leave: names of pictures to drop whatever was found.

    Raises:
        DatasetError: a name isn't in the data set, or is to be both kept and dropped.
    """
    _check(inspection.dataset, keep, leave)
    reasons = _reasons(inspection, drop, set(keep), set(leave))
    records = inspection.dataset.records
    kept = tuple(record for number, record in enumerate(records) if number not in reasons)
    dropped = tuple(record for number, record in enumerate(records) if number in reasons)
    return Curated(
        kept=replace(inspection.dataset, records=kept),
        dropped=replace(inspection.dataset, records=dropped, name=f"{inspection.dataset.name} (dropped)", skipped=()),
        reasons=tuple((records[number].name, reasons[number]) for number in sorted(reasons)),
    )


def _reasons(inspection: Inspection, drop: Collection[str], keep: set[str], leave: set[str]) -> dict[int, str]:
    """Number of each dropped record -> why."""
    reasons: dict[int, str] = {}
    for number, (record, picture) in enumerate(zip(inspection.dataset, inspection.pictures, strict=True)):
        told = [f"{f.label} ({f.reason})" for f in picture.flags if f.kind in drop and f.kind != "duplicate"]
        if record.name in leave:
            reasons[number] = "named by hand"
        elif told and record.name not in keep:
            reasons[number] = "; ".join(told)
    if "duplicate" in drop:
        reasons |= dict(_spare_copies(inspection, reasons, keep))
    return reasons


def _spare_copies(inspection: Inspection, reasons: dict[int, str], keep: set[str]) -> Iterator[tuple[int, str]]:
    records = inspection.dataset.records
    for group in inspection.groups:
        left = [number for number in group if number not in reasons]
        wanted = [number for number in left if records[number].name in keep]
        best = (wanted or left or [-1])[0]
        for number in left:
            if number != best and number not in wanted:
                yield number, f"double of {records[best].name}"


def _check(dataset: Dataset, keep: Collection[str], leave: Collection[str]) -> None:
    names = {record.name for record in dataset}
    unknown = sorted((set(keep) | set(leave)) - names)
    if unknown:
        raise DatasetError(
            f"{dataset.name} has no pictures of these names: {', '.join(unknown)}",
            expected="names as the report and the contact sheet show them, with their folders",
            hint="copy the names from the report.",
        )
    if both := sorted(set(keep) & set(leave)):
        raise DatasetError(
            f"To be kept and to be dropped at once: {', '.join(both)}", hint="take them out of one of the two lists."
        )

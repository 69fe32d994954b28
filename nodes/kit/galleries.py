"""Data sets that nodes have given, kept for the front end's galleries."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

from ...engine.core.hashing import value_hash

if TYPE_CHECKING:
    from ...engine.data.dataset import Dataset, ImageRecord

_MOST = 32
"""Data sets that are kept; a picture that is a file takes no memory."""
_MOST_BYTES = 2**29
"""Of pictures that aren't files, in all data sets that are kept but the last."""


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A data set as a gallery shows it.

    Attributes:
        dataset: the pictures.
        flags: name -> flaws, each with a short label and a reason.
        dropped: name -> why the node drops the picture.
        written: name -> content hash of its caption file as it was rewritten for this gallery.
    """

    dataset: Dataset
    flags: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    written: dict[str, str] = field(default_factory=dict)

    @cached_property
    def by_name(self) -> dict[str, ImageRecord]:
        return {record.name: record for record in self.dataset}

    @cached_property
    def bytes_in_memory(self) -> int:
        """Of pictures that aren't files."""
        return sum(map(_bytes_in_memory, self.dataset))

    @cached_property
    def token(self) -> str:
        """Changes with everything that a gallery shows."""
        dataset = self.dataset
        names = [[record.name, record.trigger.word if record.trigger else ""] for record in dataset]
        trigger = dataset.trigger.word if dataset.trigger else ""
        flags = {name: [list(flag) for flag in flags] for name, flags in self.flags.items()}
        masks = [record.mask.identity() if record.mask else None for record in dataset]
        return value_hash([dataset.content_hash, trigger, names, masks, flags, dict(self.dropped)])

    def values(self, record: ImageRecord) -> dict[str, Any]:
        """Plain values of a record, for the front end."""
        trigger = record.trigger or self.dataset.trigger
        return {
            "name": record.name,
            "width": record.width,
            "height": record.height,
            "caption": record.caption,
            "trigger": trigger.word if trigger else "",
            "flags": [{"label": label, "reason": reason} for label, reason in self.flags.get(record.name, ())],
            "dropped": self.dropped.get(record.name, ""),
            "repeats": record.repeats,
            "crops": [{"box": list(crop.box), "size": list(crop.size)} for crop in record.crops],
            "has_mask": bool(record.mask and record.mask.weighs),
            "mask_unused": bool(record.mask and not record.mask.weighs),
        }


def _bytes_in_memory(record: ImageRecord) -> int:
    from ...engine.data.sources import MemorySource, RenamedSource

    source = record.source
    while isinstance(source, RenamedSource):
        source = source.source
    return len(source.data) if isinstance(source, MemorySource) else 0


_KEPT: OrderedDict[str, Shown] = OrderedDict()
_LOCK = Lock()


def gallery(
    dataset: Dataset,
    *,
    flags: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    dropped: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Keep a data set for a gallery.

    Args:
        dataset: what the node gives.
        flags: name -> flaws of a picture, each with a short label and a reason.
        dropped: name -> why the node drops the picture.

    Returns:
        What the front end needs to ask for it.
    """
    shown = Shown(dataset=dataset, flags=flags or {}, dropped=dropped or {})
    with _LOCK:
        _KEPT[shown.token] = shown  # also in place of an equal one, whose files may be elsewhere and gone
        _KEPT.move_to_end(shown.token)
        while len(_KEPT) > _MOST or (len(_KEPT) > 1 and _kept_bytes() > _MOST_BYTES):
            _KEPT.popitem(last=False)
    return {"token": shown.token, "name": dataset.name, "pictures": len(dataset)}


def _kept_bytes() -> int:
    return sum(shown.bytes_in_memory for shown in _KEPT.values())


def kept_dataset(token: str) -> Shown | None:
    """The data set of a token; ``None`` if it isn't kept, as after a restart."""
    with _LOCK:
        if token in _KEPT:
            _KEPT.move_to_end(token)
        return _KEPT.get(token)

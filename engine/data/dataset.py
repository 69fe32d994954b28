"""The data set as a value: lazy records that know where they come from and what they hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..core.hashing import value_hash
from .masks import Mask
from .sources import ImageSource, read_unchanged
from .views import Augmentation, Crop, View, fitted

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """One picture of a data set; its pixels are decoded only when asked for."""

    source: ImageSource = field(repr=False)
    content_hash: str
    """SHA-256 of the encoded picture; caches are keyed by it, never by position."""
    width: int
    """In pixels, after the EXIF rotation."""
    height: int
    caption: str | None = None
    repeats: int = 1
    """How often an epoch shows the picture."""
    mask: Mask | None = None
    """Which of its pixels teach how much."""
    crops: tuple[Crop, ...] = ()
    """What of it a training sees, each as a sample of its own; none for the middle square at the run's resolution."""
    augmentation: Augmentation | None = None
    """How a training may change it."""

    @property
    def name(self) -> str:
        return self.source.name

    def load(self, *, at_least: int = 0) -> Image.Image:
        """Decode to RGB: EXIF rotation applied, transparency flattened onto white, palettes resolved.

        Args:
            at_least: where only so many pixels of the shorter side are needed, a JPEG is decoded smaller and faster;
                0 decodes it whole.

        Raises:
            DatasetError: the file is gone, damaged, or another one than when the data set was read.
        """
        from .images import decode

        return decode(self.read(), self.name, at_least=at_least)

    def read(self) -> bytes:
        """The encoded picture.

        Raises:
            DatasetError: the file is gone, or another one than when the data set was read.
        """
        return read_unchanged(self.source, self.content_hash)

    def identity(self) -> list[Any]:
        """What a training sees of the record, for hashes; what changes nothing is left out."""
        identity: list[Any] = [self.content_hash, self.caption, self.repeats]
        if self.mask and self.mask.weighs:
            identity.append({"mask": self.mask.identity()})
        if self.crops:
            identity.append({"crops": self.crops})
        if self.augmentation:
            identity.append({"augmentation": self.augmentation})
        return identity

    def views(self, side: int) -> list[tuple[View, ...]]:
        """The variants of each frame; without frames, of the middle square, ``side`` pixels wide."""
        crops = self.crops or (fitted((self.width, self.height), (side, side)),)
        if self.augmentation is None:
            return [(View(crop=crop),) for crop in crops]
        return [self.augmentation.variants(crop, self.content_hash) for crop in crops]


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A file that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class TriggerWord:
    """The word that calls the concept, and the class that it belongs to."""

    word: str
    class_word: str = ""
    template: str = "a photo of {trigger} {class}"

    def phrase(self) -> str:
        """The template filled in, with no blanks left over where the class word is empty."""
        filled = self.template.replace("{trigger}", self.word).replace("{class}", self.class_word)
        return " ".join(filled.split())


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """An ordered set of records. The order is that of the names, whatever the file system says."""

    name: str
    records: tuple[ImageRecord, ...]
    skipped: tuple[Skipped, ...] = ()
    trigger: TriggerWord | None = None

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[ImageRecord]:
        return iter(self.records)

    @property
    def content_hash(self) -> str:
        """Changes with everything that a training sees of the records, and their order; not with the files' place."""
        return value_hash([record.identity() for record in self.records])

    @property
    def samples_per_epoch(self) -> int:
        return sum(r.repeats for r in self.records)

    def with_captions(self, captions: list[str | None], trigger: TriggerWord | None = None) -> Dataset:
        """The same pictures with other captions, one for each record in order."""
        records = tuple(replace(r, caption=c) for r, c in zip(self.records, captions, strict=True))
        return replace(self, records=records, trigger=trigger or self.trigger)

    def manifest(self) -> list[dict[str, Any]]:
        """What goes into an adapter's metadata: names without folders above the root, hashes, captions, repeats.

        Records with frames also have their sizes.
        """
        return [
            {"name": r.name, "sha256": r.content_hash, "caption": r.caption, "repeats": r.repeats}
            | ({"sizes": [crop.size for crop in r.crops]} if r.crops else {})
            for r in self.records
        ]

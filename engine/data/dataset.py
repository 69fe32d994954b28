"""The data set as a value: records of pictures that are decoded only when needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..core.hashing import value_hash
from .masks import Mask
from .references import Reference
from .scripts import composed, find_word
from .sources import ImageSource, read_unchanged
from .views import Augmentation, Crop, View, fitted

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class CaptionOrigin:
    """Where the caption of a picture stood when the data set was read."""

    place: str
    """A file below the root, with the line if it has several captions; or words such as *its file's name*."""
    content_hash: str = ""
    """Of a text file with this caption alone, which may be blank; empty for everything else."""


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """One picture of a data set; its pixels are decoded only on request."""

    source: ImageSource = field(repr=False)
    content_hash: str
    """SHA-256 of the encoded picture; caches are keyed by it, never by position."""
    width: int
    """In pixels, after EXIF rotation."""
    height: int
    """In pixels, after EXIF rotation."""
    caption: str | None = None
    repeats: int = 1
    """How often an epoch shows the picture."""
    mask: Mask | None = None
    """Weight of each pixel in the loss."""
    reference: Reference | None = None
    """The picture before editing, of which this one is the result and the caption the instruction."""
    crops: tuple[Crop, ...] = ()
    """Crops to train on, each a sample of its own; empty for the center square at the run's resolution."""
    augmentation: Augmentation | None = None
    """Random changes during training."""
    trigger: TriggerWord | None = None
    """The word for what this picture shows, where pictures of a data set have different ones."""
    caption_origin: CaptionOrigin | None = field(default=None, compare=False, repr=False)
    """Of the caption on disk, whatever the caption is now; ``None`` if there is none."""

    def __post_init__(self) -> None:
        """Line ends are no content: a caption is the same from every system."""
        if self.caption and "\r" in self.caption:
            object.__setattr__(self, "caption", self.caption.replace("\r\n", "\n").replace("\r", "\n"))

    @property
    def name(self) -> str:
        return self.source.name

    def load(self, *, at_least: int = 0) -> Image.Image:
        """Decode to RGB: EXIF rotation applied, transparency flattened onto white, palettes resolved.

        Args:
            at_least: pixels needed on the shorter side, so that a JPEG can be decoded at a smaller size, which is
                faster; 0 decodes at full size.

        Raises:
            DatasetError: the file is missing, damaged, or has changed since the data set was read.
        """
        from .images import decode

        return decode(self.read(), self.name, at_least=at_least)

    def read(self) -> bytes:
        """The encoded picture.

        Raises:
            DatasetError: the file is missing, or has changed since the data set was read.
        """
        return read_unchanged(self.source, self.content_hash)

    def identity(self) -> list[Any]:
        """Everything about the record that affects training, for hashes."""
        identity: list[Any] = [self.content_hash, self.caption, self.repeats]
        if self.mask and self.mask.weighs:
            identity.append({"mask": self.mask.identity()})
        if self.crops:
            identity.append({"crops": self.crops})
        if self.augmentation:
            identity.append({"augmentation": self.augmentation})
        if self.reference:
            identity.append(self.reference.identity())
        return identity

    def views(self, side: int) -> list[tuple[View, ...]]:
        """The variants of each crop; if there are none, of the center square, ``side`` pixels wide."""
        crops = self.crops or (fitted((self.width, self.height), (side, side)),)
        if self.augmentation is None:
            return [(View(crop=crop),) for crop in crops]
        return [self.augmentation.variants(crop, self.content_hash) for crop in crops]


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A file that was skipped, and why."""

    name: str
    """Relative to the root; with a slash at the end for a folder with all that is in it."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Note:
    """Something that a user should know of a file that was used, such as that it has more frames."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class TriggerWord:
    """The word that stands for the concept, and the class that the concept belongs to."""

    word: str
    class_word: str = ""
    template: str = "a photo of {trigger} {class}"

    def phrase(self) -> str:
        """The template filled in, without extra spaces where the class word is empty."""
        filled = self.template.replace("{trigger}", self.word).replace("{class}", self.class_word)
        return " ".join(filled.split())

    def is_in(self, text: str) -> bool:
        """Whether the text contains the word as a whole word, ignoring case, as :func:`find_word` finds it."""
        return find_word(composed(text), self.word) is not None


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """An ordered set of records. The order is that of their names, on every file system."""

    name: str
    records: tuple[ImageRecord, ...]
    skipped: tuple[Skipped, ...] = ()
    """Every file below the root that wasn't used."""
    notes: tuple[Note, ...] = ()
    trigger: TriggerWord | None = None
    """The word for what all pictures show, unless their records have their own."""

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[ImageRecord]:
        return iter(self.records)

    @property
    def content_hash(self) -> str:
        """Changes with everything that affects training, including the order; not with the location of the files."""
        return value_hash([record.identity() for record in self.records])

    @property
    def has_pairs(self) -> bool:
        """Whether any record is a pair: a picture with the one that it was edited from."""
        return any(record.reference for record in self.records)

    @property
    def has_masks(self) -> bool:
        """Whether the mask of any record affects training."""
        return any(record.mask and record.mask.weighs for record in self.records)

    @property
    def samples_per_epoch(self) -> int:
        return sum(r.repeats for r in self.records)

    @property
    def triggers(self) -> tuple[TriggerWord, ...]:
        """The trigger words of all pictures, each once, in their order."""
        words = (record.trigger or self.trigger for record in self.records)
        return tuple(dict.fromkeys(word for word in words if word))

    def with_captions(self, captions: Sequence[str | None]) -> Dataset:
        """The same pictures with other captions, one for each record in order."""
        records = tuple(replace(r, caption=c) for r, c in zip(self.records, captions, strict=True))
        return replace(self, records=records)

    def with_triggers(self, triggers: Sequence[TriggerWord]) -> Dataset:
        """The same pictures with other trigger words, one for each record in order."""
        if len(set(triggers)) == 1:
            return replace(self, records=tuple(replace(r, trigger=None) for r in self.records), trigger=triggers[0])
        records = tuple(replace(r, trigger=t) for r, t in zip(self.records, triggers, strict=True))
        return replace(self, records=records, trigger=None)

    def missing_trigger(self) -> list[str]:
        """Names of the records whose caption lacks their trigger word, or that have none."""
        words = [record.trigger or self.trigger for record in self.records]
        return [
            record.name
            for record, word in zip(self.records, words, strict=True)
            if not (word and word.is_in(record.caption or ""))
        ]

    def manifest(self) -> list[dict[str, Any]]:
        """The records for an adapter's metadata: names relative to the root, hashes, captions, repeats, crop sizes."""
        return [
            {"name": r.name, "sha256": r.content_hash, "caption": r.caption, "repeats": r.repeats}
            | ({"sizes": [crop.size for crop in r.crops]} if r.crops else {})
            | ({"reference": {"name": r.reference.name, "sha256": r.reference.content_hash}} if r.reference else {})
            for r in self.records
        ]

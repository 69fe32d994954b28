"""Masks for a data set: from files beside the pictures, their transparency, or a graph."""

from __future__ import annotations

import io
from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ..core.errors import DatasetError
from ..core.events import Event, Progress
from ..core.hashing import bytes_hash
from ..core.words import first_of
from .dataset import Dataset, ImageRecord
from .images import has_alpha
from .mask_pixels import decode_mask
from .masks import Mask, check_same_shape
from .sources import MemorySource, read_unchanged

if TYPE_CHECKING:
    from PIL import Image

MaskOrigin = Literal["files", "alpha"]
ORIGINS = ("files", "alpha")


@dataclass(frozen=True, kw_only=True)
class Masking:
    """A data set with masks, and how much of each picture they cover."""

    dataset: Dataset
    coverage: dict[str, float]
    """Name of each picture with a mask -> mean brightness of the mask, 0 to 1."""
    see_through: dict[str, float]
    """Name of each picture whose mask file has transparent parts -> mean brightness that they count for, 0 to 1."""

    def in_words(self) -> str:
        """How many pictures have masks, and which masks are nearly all white or all black."""
        by_meaning: dict[str, list[str]] = {}
        bare = [record.name for record in self.dataset if record.name not in self.coverage]
        mean = sum(self.coverage.values()) / len(self.coverage)
        lines = [f"{len(self.coverage)} of {len(self.dataset)} pictures have a mask; on average {mean:.0%} is white."]
        if not self.dataset.has_masks:
            lines.append("The floor is 1, so that black weighs as much as white and the masks change nothing.")
        if bare:
            lines.append(f"Without a mask, so trained as a whole: {first_of(bare)}.")
        if small := [name for name, share in self.coverage.items() if share < 0.05]:
            lines.append(f"Less than 5% white, so little is learned from them: {first_of(small)}.")
        if full := [name for name, share in self.coverage.items() if share > 0.98]:
            lines.append(f"White almost everywhere, so the mask changes nothing: {first_of(full)}.")
        for name, brightness in self.see_through.items():
            counts = "white" if brightness > 0.98 else "black" if brightness < 0.02 else f"{brightness:.0%} white"
            by_meaning.setdefault(counts, []).append(name)
        for counts, names in by_meaning.items():
            lines.append(f"Masks with an alpha channel, whose transparent parts count as {counts}: {first_of(names)}.")
        return "\n".join(lines)


def with_masks(
    dataset: Dataset,
    origin: MaskOrigin,
    floor: float,
    given: Sequence[Image.Image] = (),
    *,
    invert: bool = False,
) -> Generator[Event, None, Masking]:
    """The data set with masks that weight the loss.

    Args:
        dataset: the data set; not modified.
        origin: ``files`` beside the pictures, or the pictures' own ``alpha`` channel.
        floor: weight of black, 0 to 1; white has weight 1.
        given: grayscale masks to use instead: one for each picture in order, or one for all.
        invert: swap black and white, for masks whose black parts are to be learned.

    Raises:
        DatasetError: there is no mask, one doesn't fit its picture or can't be read, or one is all black and the
            floor is 0.
    """
    if origin not in ORIGINS or not 0 <= floor <= 1:
        raise DatasetError(
            f"Masks from {origin!r} with floor {floor!r} can't be used.",
            expected="files or alpha, and a floor from 0 to 1",
            hint="choose such values.",
        )
    if given and len(given) not in (1, len(dataset)):
        raise DatasetError(
            f"{len(given)} masks don't fit {len(dataset)} pictures.",
            expected="a mask for each picture in order, or one for all",
            hint="connect as many masks as there are pictures.",
        )
    records: list[ImageRecord] = []
    coverage: dict[str, float] = {}
    see_through: dict[str, float] = {}
    for number, record in enumerate(dataset):
        mask = _from_image(given[number % len(given)], record) if given else _own_mask(record, origin)
        if mask is not None:
            if (brightness := _where_transparent(mask)) is not None:
                see_through[record.name] = 1 - brightness if invert else brightness
            mask = replace(_inverted(mask, record) if invert else mask, floor=floor)
            coverage[record.name] = _mean_brightness(mask)
        records.append(replace(record, mask=mask))
        yield Progress(done=number + 1, total=len(dataset), label="reading masks")
    black = [name for name, share in coverage.items() if share == 0 and floor == 0]
    if black or not coverage:
        raise _no_masks(dataset, black, origin)
    return Masking(dataset=replace(dataset, records=tuple(records)), coverage=coverage, see_through=see_through)


def _own_mask(record: ImageRecord, origin: MaskOrigin) -> Mask | None:
    if origin == "files":
        return record.mask if record.mask and record.mask.channel == "gray" else None
    data = read_unchanged(record.source, record.content_hash)
    if not has_alpha(data, record.name):
        return None
    return Mask(source=record.source, content_hash=record.content_hash, channel="alpha")


def _from_image(image: Image.Image, record: ImageRecord) -> Mask:
    check_same_shape(image.size, (record.width, record.height), f"mask of {record.name}")
    buffer = io.BytesIO()
    image.convert("L").save(buffer, "PNG", compress_level=1)
    data = buffer.getvalue()
    return Mask(source=MemorySource(f"{record.name} mask.png", data), content_hash=bytes_hash(data))


def _inverted(mask: Mask, record: ImageRecord) -> Mask:
    from PIL import ImageOps

    return _from_image(ImageOps.invert(mask.load()), record)


def _where_transparent(mask: Mask) -> float | None:
    """Mean brightness, 0 to 1, of a gray mask where its file is transparent; ``None`` if it is so nowhere."""
    from PIL import ImageStat

    data = read_unchanged(mask.source, mask.content_hash)
    if mask.channel == "alpha" or not has_alpha(data, mask.source.name):
        return None
    clear = decode_mask(data, mask.source.name, "alpha").point([255] + [0] * 255)
    return ImageStat.Stat(mask.load(), clear).mean[0] / 255 if clear.getbbox() else None


def _mean_brightness(mask: Mask) -> float:
    """From 0 to 1."""
    histogram = mask.load().histogram()
    return sum(value * count for value, count in enumerate(histogram)) / (255 * sum(histogram))


def _no_masks(dataset: Dataset, black: Sequence[str], origin: MaskOrigin) -> DatasetError:
    if black:
        return DatasetError(
            f"{len(black)} masks are all black, so nothing would be learned from their pictures: {first_of(black)}",
            expected="some white in each mask, or a floor above 0",
            hint="fix these masks, or raise the floor.",
        )
    where = "beside the pictures (fox_mask.png for fox.png)" if origin == "files" else "in the pictures' transparency"
    return DatasetError(
        f"{dataset.name} has no masks {where}.",
        expected="at least one mask",
        hint="paint masks and load the data set again, use masks from another origin, or remove the node.",
    )

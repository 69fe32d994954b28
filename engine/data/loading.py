"""Data sets from a folder, a zip archive or pictures in memory."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ..core.errors import DatasetError
from ..core.hashing import bytes_hash
from . import limits
from .captions_on_disk import read_captions
from .dataset import Dataset, ImageRecord, Skipped
from .images import check_complete, check_size, probe, to_rgb
from .listing import Listing, list_files, repeats_of
from .masks import Mask, check_same_shape
from .sources import ImageSource, MemorySource
from .trees import EXPECTED, FileTree, existing, open_tree

if TYPE_CHECKING:
    from PIL import Image

OnUnreadable = Literal["skip", "refuse"]


def load_dataset(path: str | Path, *, on_unreadable: OnUnreadable = "skip") -> Dataset:
    """The pictures of a folder or zip archive, including subfolders, with their captions.

    Captions come from ``.txt`` files with the picture's stem, ``metadata.jsonl`` and ``metadata.csv``; a subfolder
    called ``N_name`` repeats its pictures N times per epoch. Masks beside their pictures are found, but don't weigh in
    training until ``with_masks`` is used. Records are in natural order of their names. Files are read once, one at a
    time; no pixels are kept.

    Args:
        path: the folder or archive.
        on_unreadable: ``skip`` pictures that can't be read and name them in ``skipped``, or ``refuse`` the data set.

    Raises:
        DatasetError: there is nothing at the path, no usable picture, a caption that isn't UTF-8, an unsafe archive,
            or, with ``refuse``, a picture that can't be read.
    """
    if on_unreadable not in ("skip", "refuse"):
        raise DatasetError(
            f"on_unreadable is {on_unreadable!r}.", expected="skip or refuse", hint="choose one of these values."
        )
    path = existing(path)
    with open_tree(path) as tree:
        listing = list_files(tree.names())
        if not listing.pictures:
            raise _no_pictures(path, listing)
        captions, caption_notes = read_captions(tree, listing)
        records, unreadable = _read_pictures(tree, listing.pictures, captions)
        records, mask_notes = _with_masks(tree, listing, records)
    if unreadable and (on_unreadable == "refuse" or not records):
        raise _unreadable_pictures(path, unreadable, len(listing.pictures))
    skipped = (*unreadable, *listing.skipped, *caption_notes, *mask_notes)
    name = path.resolve().name if path.is_dir() else path.stem
    return Dataset(name=name, records=tuple(records), skipped=skipped)


def dataset_from_images(images: Sequence[Image.Image], captions: Sequence[str | None], name: str) -> Dataset:
    """A data set of pictures in memory, encoded as PNG and called ``image_0001.png`` and so on.

    Equal pixels give equal hashes, whatever the images' metadata.

    Args:
        images: in any mode; flattened to RGB.
        captions: one for each image; blank ones count as none.
        name: name of the data set.

    Raises:
        DatasetError: there is no image, one is too large or has floating-point pixels, or the number of captions
            differs.
    """
    if not images or len(images) != len(captions):
        raise DatasetError(
            f"{len(images)} images and {len(captions)} captions don't make a data set.",
            expected="at least one image, and a caption (or none) for each",
            hint="connect images, and as many captions as images.",
        )
    records = []
    for number, (image, caption) in enumerate(zip(images, captions, strict=True), 1):
        source = _memory_source(image, f"image_{number:04d}.png")
        records.append(_record(source, source.data, (caption or "").strip() or None))
    return Dataset(name=name, records=tuple(records))


def _memory_source(image: Image.Image, name: str) -> MemorySource:
    check_size(image.size, name)
    try:
        plain = to_rgb(image)
    except ValueError as error:
        raise DatasetError(
            f"{name}: {error}", expected="an RGB image", hint="convert the image to RGB before making the data set."
        ) from error
    plain.info = {}
    buffer = io.BytesIO()
    plain.save(buffer, "PNG", compress_level=1)
    return MemorySource(name, buffer.getvalue())


def _read_pictures(
    tree: FileTree, names: Sequence[str], captions: dict[str, str]
) -> tuple[list[ImageRecord], list[Skipped]]:
    records: list[ImageRecord] = []
    unreadable: list[Skipped] = []
    for name in names:
        try:
            data = tree.read(name, limits.MAX_FILE_BYTES)
            check_complete(data, name)
            records.append(_record(tree.source(name), data, captions.get(name), repeats_of(name)))
        except DatasetError as error:
            unreadable.append(Skipped(name=name, reason=error.got.removeprefix(f"{name}: ")))
    return records, unreadable


def _with_masks(
    tree: FileTree, listing: Listing, records: Sequence[ImageRecord]
) -> tuple[list[ImageRecord], list[Skipped]]:
    """The records with the masks beside them, and the masks that can't be used."""
    masked: list[ImageRecord] = []
    notes: list[Skipped] = []
    for record in records:
        if name := listing.masks.get(record.name):
            try:
                data = tree.read(name, limits.MAX_FILE_BYTES)
                check_complete(data, name)
                check_same_shape(probe(data, name), (record.width, record.height), name)
                record = replace(record, mask=Mask(source=tree.source(name), content_hash=bytes_hash(data)))
            except DatasetError as error:
                notes.append(Skipped(name=name, reason=error.got.removeprefix(f"{name}: ")))
        masked.append(record)
    return masked, notes


def _record(source: ImageSource, data: bytes, caption: str | None, repeats: int = 1) -> ImageRecord:
    width, height = probe(data, source.name)
    return ImageRecord(
        source=source, content_hash=bytes_hash(data), width=width, height=height, caption=caption, repeats=repeats
    )


def _no_pictures(path: Path, listing: Listing) -> DatasetError:
    content = f"has {listing.total} files, but no picture" if listing.total else "is empty"
    skipped = "".join(f"\n  {s.name}: {s.reason}" for s in listing.skipped)
    return DatasetError(
        f"{path} {content}.{skipped}",
        expected=f"{EXPECTED} (PNG, JPEG, WebP, BMP, GIF, TIFF or AVIF)",
        hint="put pictures into it, or choose another folder.",
    )


def _unreadable_pictures(path: Path, unreadable: Sequence[Skipped], pictures: int) -> DatasetError:
    return DatasetError(
        f"{len(unreadable)} of {pictures} pictures in {path} can't be used:\n  "
        + "\n  ".join(f"{s.name}: {s.reason}" for s in unreadable),
        expected="intact pictures",
        hint="repair or remove these files; if others are left, unreadable ones can also be skipped.",
    )

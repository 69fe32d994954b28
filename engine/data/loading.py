"""Data sets from a folder, a zip archive or pictures in memory."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal

from ..core.errors import DatasetError
from ..core.hashing import bytes_hash
from ..core.words import first_of
from . import limits
from .captions_on_disk import read_captions, with_entry
from .dataset import Dataset, ImageRecord, Note, Skipped
from .folders import paired_folders, repeats_of, why_no_repeats
from .images import Header, check_complete, probe, read_header, to_rgb
from .listing import Listing, list_files
from .mask_pixels import mask_note
from .masks import Mask, check_same_shape
from .opening import check_size
from .sources import ImageSource, MemorySource
from .trees import EXPECTED, FileTree, existing, open_tree
from .uncaptioned import UNCAPTIONED, Uncaptioned, captioned

if TYPE_CHECKING:
    from PIL import Image

OnUnreadable = Literal["skip", "refuse"]


def load_dataset(
    path: str | Path,
    *,
    on_unreadable: OnUnreadable = "skip",
    uncaptioned: Uncaptioned = "no caption",
    regularization: bool = False,
) -> Dataset:
    """The pictures of a folder or zip archive, including subfolders, with their captions.

    Captions come from text or JSON files with the picture's stem, or from tables (``captions_on_disk``); a subfolder
    called ``N_name`` repeats its pictures N times per epoch. Masks are found (``mask_files``), but don't weigh in
    training until ``with_masks`` is used. Folders of regularization pictures, samples, thumbnails and operating systems
    are left out. Every file that isn't used is named in ``skipped``. Records are in natural order of their names. Files
    are read once, one at a time; no pixels are kept.

    Args:
        path: the folder or archive.
        on_unreadable: ``skip`` pictures that can't be read and name them in ``skipped``, or ``refuse`` the data set.
        uncaptioned: what pictures without a caption get: none, or their file's or folder's name.
        regularization: the pictures are meant as regularization pictures, so folders of such are taken.

    Raises:
        DatasetError: there is nothing at the path, no usable picture, a caption that isn't UTF-8, an unsafe archive,
            or, with ``refuse``, a picture that can't be read.
    """
    for name, value, known in (
        ("on_unreadable", on_unreadable, ("skip", "refuse")),
        ("uncaptioned", uncaptioned, UNCAPTIONED),
    ):
        if value not in known:
            raise DatasetError(f"{name} is {value!r}.", expected=" or ".join(known), hint="choose one of these values.")
    path = existing(path)
    with open_tree(path) as tree:
        listing = list_files(tree.names(), tree.head, regularization=regularization)
        if not listing.pictures:
            raise _no_pictures(path, listing)
        records, notes, unreadable = read_pictures(tree, listing.pictures)
        captions, unused = read_captions(tree, listing, {record.name for record in records})
        records = [with_entry(record, captions.get(record.name)) for record in records]
        records, mask_notes, unusable = with_mask_files(tree, listing, records)
        hidden = [Skipped(name=name, reason="it is hidden, or belongs to the system") for name in tree.hidden()]
        notes = [*tree.remarks(), *_folder_notes(listing.pictures), *notes, *mask_notes]
    if unreadable and (on_unreadable == "refuse" or not records):
        raise unreadable_pictures(path, unreadable, len(listing.pictures))
    skipped = (*unreadable, *listing.skipped, *unused, *unusable, *hidden)
    name = path.resolve().name if path.is_dir() else path.stem
    records = [captioned(record, uncaptioned, name) for record in records]
    return Dataset(name=name, records=tuple(records), skipped=skipped, notes=tuple(notes))


def _folder_notes(pictures: Sequence[str]) -> list[Note]:
    """Folders whose names look as if they asked for repeats, and folders that look like masks of another."""
    folders = {folder: None for name in pictures for folder in PurePosixPath(name).parents if folder.name}
    notes = [
        Note(name=f"{folder}/", text=f"{reason}, so its pictures aren't repeated")
        for folder in folders
        if (reason := why_no_repeats(folder.name))
    ]
    for folder, other in paired_folders(pictures).items():
        where = f"in {other}/" if other != "." else "around it"
        told = f"its pictures have the names of those {where}; if they are masks, call the folder masks"
        notes.append(
            Note(name=f"{folder}/", text=f"{told}; if they belong to pairs for an edit model, use LW_PairDataset")
        )
    return notes


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
        header = read_header(source.data, source.name)
        records.append(_record(source, source.data, header, (caption or "").strip() or None))
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


def read_pictures(tree: FileTree, names: Sequence[str]) -> tuple[list[ImageRecord], list[Note], list[Skipped]]:
    """The records, without captions; notes about them; and the pictures that can't be read."""
    records: list[ImageRecord] = []
    notes: list[Note] = []
    unreadable: list[Skipped] = []
    for name in names:
        try:
            data = tree.read(name, limits.MAX_FILE_BYTES)
            check_complete(data, name)
            header = read_header(data, name)
        except DatasetError as error:
            unreadable.append(Skipped(name=name, reason=error.got.removeprefix(f"{name}: ")))
        else:
            records.append(_record(tree.source(name), data, header, None, repeats_of(name)))
            notes += [Note(name=name, text=text) for text in header.notes]
    return records, notes, unreadable


def with_mask_files(
    tree: FileTree, listing: Listing, records: Sequence[ImageRecord]
) -> tuple[list[ImageRecord], list[Note], list[Skipped]]:
    """The records with their masks, notes about these, and the masks that can't be used."""
    masked: list[ImageRecord] = []
    notes: list[Note] = []
    skipped: list[Skipped] = []
    for record in records:
        if name := listing.masks.get(record.name):
            try:
                data = tree.read(name, limits.MAX_FILE_BYTES)
                check_complete(data, name)
                check_same_shape(probe(data, name), (record.width, record.height), name)
                if meaning := mask_note(data, name):
                    notes.append(Note(name=name, text=meaning))
                record = replace(record, mask=Mask(source=tree.source(name), content_hash=bytes_hash(data)))
            except DatasetError as error:
                skipped.append(Skipped(name=name, reason=error.got.removeprefix(f"{name}: ")))
        masked.append(record)
    unread = {record.name for record in records}
    skipped += [
        Skipped(name=mask, reason=f"its picture, {picture}, can't be used")
        for picture, mask in listing.masks.items()
        if picture not in unread
    ]
    return masked, notes, skipped


def _record(source: ImageSource, data: bytes, header: Header, caption: str | None, repeats: int = 1) -> ImageRecord:
    width, height = header.size
    return ImageRecord(
        source=source, content_hash=bytes_hash(data), width=width, height=height, caption=caption, repeats=repeats
    )


def _no_pictures(path: Path, listing: Listing) -> DatasetError:
    content = f"has {listing.total} files, but no picture" if listing.total else "is empty"
    skipped = "".join(f"\n  {s.name}: {s.reason}" for s in listing.skipped[:20])
    return DatasetError(
        f"{path} {content}.{skipped}",
        expected=f"{EXPECTED} (PNG, JPEG, WebP, BMP, GIF, TIFF or AVIF)",
        hint="put pictures into it, or choose another folder.",
    )


def unreadable_pictures(path: Path, unreadable: Sequence[Skipped], pictures: int) -> DatasetError:
    return DatasetError(
        f"{len(unreadable)} of {pictures} pictures in {path} can't be used:\n  "
        + first_of([f"{s.name}: {s.reason}" for s in unreadable], 20, "\n  "),
        expected="intact pictures",
        hint="repair or remove these files; if others are left, unreadable ones can also be skipped.",
    )

"""Which files of a data set are pictures, captions, tables of captions and masks, and in what order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from .dataset import Skipped
from .file_types import READABLE, file_type, is_raw, why_unused
from .folders import repeats_of, why_set_aside
from .mask_files import sort_masks
from .names import is_unicode, natural_key, stem

PICTURE_EXTENSIONS = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif",
    ".jxl",  # nothing here reads these; they are reported as unreadable, not ignored
)  # fmt: skip
CAPTION_EXTENSIONS = (".txt", ".caption", ".captions", ".cap", ".tags", ".text")
"""Plain text beside a picture; of several, the first is used."""
TABLE_EXTENSIONS = (".jsonl", ".csv", ".tsv", ".json")
"""Captions of several pictures; ``.json`` may also belong to one."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a data set by kind."""

    pictures: tuple[str, ...]
    """In natural order."""
    captions: tuple[str, ...]
    """Text files that may belong to a picture, those that count first in front."""
    tables: tuple[str, ...]
    """Files that may hold the captions of several pictures, those that count first in front."""
    masks: Mapping[str, str]
    """Picture -> its mask."""
    skipped: tuple[Skipped, ...]
    """Every other file, with the reason."""
    total: int
    """Number of files of any kind."""


def list_files(
    names: Iterable[str],
    head: Callable[[str], bytes] = lambda _: b"",
    *,
    regularization: bool = False,
    pairs: bool = False,
) -> Listing:
    """Sort relative file names (forward slashes) into pictures, captions, tables and masks; every other is skipped.

    Args:
        names: the files.
        head: a file's first bytes, at least ``file_types.HEAD_BYTES``; asked for where the ending isn't a picture's.
        regularization: the pictures are meant as regularization pictures.
        pairs: pictures before editing are wanted as well.
    """
    ordered = sorted(names, key=natural_key)
    usable = [name for name in ordered if is_unicode(name)]
    skipped = [
        Skipped(name=name.encode(errors="backslashreplace").decode(), reason="its name isn't valid Unicode; rename it")
        for name in ordered
        if not is_unicode(name)
    ]
    images, captions, tables = [], [], []
    for name in usable:
        start = b"" if _has(name, PICTURE_EXTENSIONS) else head(name)
        if _has(name, PICTURE_EXTENSIONS) or (file_type(start) in READABLE and not is_raw(name)):
            images.append(name)
        elif _has(name, CAPTION_EXTENSIONS):
            captions.append(name)
        elif _has(name, TABLE_EXTENSIONS):
            tables.append(name)
        else:
            skipped.append(Skipped(name=name, reason=why_unused(name, start)))
    subject, aside = _set_aside(images, regularization)
    sorted_masks = sort_masks(subject, pairs=pairs)
    return Listing(
        pictures=tuple(name for name in sorted_masks.pictures if repeats_of(name) > 0),
        captions=tuple(sorted(captions, key=_place_of_caption)),
        tables=tuple(sorted(tables, key=lambda name: (not is_metadata(name), _place(name, TABLE_EXTENSIONS)))),
        masks=sorted_masks.by_picture,
        skipped=(
            *skipped,
            *aside,
            *(
                Skipped(name=name, reason="its folder's name asks for 0 repeats")
                for name in sorted_masks.pictures
                if repeats_of(name) == 0
            ),
            *sorted_masks.skipped,
        ),
        total=len(ordered),
    )


def is_metadata(name: str) -> bool:
    """Whether a table is called ``metadata``, so that it has to be one of captions."""
    return PurePosixPath(name).name.lower() in ("metadata.jsonl", "metadata.csv")


def _set_aside(images: Iterable[str], regularization: bool) -> tuple[list[str], list[Skipped]]:
    """The images of the subject, and those whose folders say that they aren't."""
    images = list(images)
    folders = {str(folder).lower() for name in images for folder in PurePosixPath(name).parents}
    reasons = {name: why_set_aside(name, folders, regularization=regularization) for name in images}
    aside = [Skipped(name=name, reason=reason) for name, reason in reasons.items() if reason]
    return [name for name, reason in reasons.items() if not reason], aside


def _has(name: str, extensions: tuple[str, ...]) -> bool:
    return name.lower().endswith(extensions)


def _place_of_caption(name: str) -> tuple[bool, int]:
    """Those with the picture's ending, as ``fox.png.txt``, behind those without."""
    return _has(stem(name), PICTURE_EXTENSIONS), _place(name, CAPTION_EXTENSIONS)


def _place(name: str, extensions: tuple[str, ...]) -> int:
    return next(place for place, extension in enumerate(extensions) if name.lower().endswith(extension))

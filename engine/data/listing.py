"""Which files of a data set are pictures, captions, metadata and masks, and in what order."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from pathlib import PurePosixPath

from .dataset import Skipped

PICTURE_EXTENSIONS = (
    ".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif",
    ".heic", ".heif", ".jxl",  # Pillow doesn't read these; they are reported as unreadable, not ignored
)  # fmt: skip
METADATA_FILES = ("metadata.jsonl", "metadata.csv")
MASK_FOLDER = "masks"
MAX_REPEATS = 1000
"""A larger number in a folder's name is probably a year or a date."""


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The files of a data set by kind, each kind in natural order."""

    pictures: tuple[str, ...]
    captions: tuple[str, ...]
    """Text files that may belong to a picture."""
    metadata: tuple[str, ...]
    masks: Mapping[str, str]
    """Picture -> its mask."""
    skipped: tuple[Skipped, ...]
    total: int
    """Number of files of any kind."""


def list_files(names: Iterable[str]) -> Listing:
    """Sort relative file names (forward slashes) into pictures, captions, metadata and masks.

    A mask is called ``cat_mask.png`` or ``cat-masklabel.png``. One without a picture may be a picture with an unlucky
    name, so it is reported as skipped. ``masks/cat.png`` is a mask if there is a picture ``cat``.
    """
    ordered = sorted(names, key=natural_key)
    usable = [name for name in ordered if is_unicode(name)]
    images = [name for name in usable if name.lower().endswith(PICTURE_EXTENSIONS)]
    stems = {stem(name).lower() for name in images}
    masked = {name: found for name in images if (found := _masked_stem(name, stems))}
    pictures = [name for name in images if name not in masked]
    picture_stems = {stem(name).lower() for name in pictures}
    skipped = [
        Skipped(name=name.encode(errors="backslashreplace").decode(), reason="its name isn't valid Unicode; rename it")
        for name in ordered
        if not is_unicode(name)
    ]
    skipped += [
        Skipped(name=name, reason="its folder's name asks for 0 repeats") for name in pictures if repeats_of(name) == 0
    ]
    skipped += [
        Skipped(name=name, reason="its name is that of a mask, but there is no picture beside it")
        for name, picture in masked.items()
        if picture not in picture_stems
    ]
    by_picture = {picture: name for name, picture in reversed(masked.items())}
    metadata = [name for name in usable if PurePosixPath(name).name.lower() in METADATA_FILES]
    return Listing(
        pictures=tuple(name for name in pictures if repeats_of(name) > 0),
        captions=tuple(name for name in usable if name.lower().endswith(".txt")),
        metadata=tuple(sorted(metadata, key=lambda name: METADATA_FILES.index(PurePosixPath(name).name.lower()))),
        masks={name: by_picture[key] for name in pictures if (key := stem(name).lower()) in by_picture},
        skipped=tuple(skipped),
        total=len(ordered),
    )


def natural_key(name: str) -> tuple[object, ...]:
    """Sort key: by folder, numbers by value, ignoring case and Unicode normalization; the same on every system."""
    parts = []
    for part in canonical(name).split("/"):
        runs = re.split(r"([0-9]+)", part.casefold())
        numbers = [digits.lstrip("0") for digits in runs[1::2]]
        runs[1::2] = [f"{len(digits):06d}{digits}" for digits in numbers]
        parts.append(tuple(runs))
    return tuple(parts), name


def canonical(name: str) -> str:
    """NFC, since some systems store names with composed characters and others with decomposed ones."""
    return unicodedata.normalize("NFC", name)


def is_unicode(text: str) -> bool:
    """Whether the text can be encoded as UTF-8; file names and JSON escapes may contain lone surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def stem(name: str) -> str:
    """A file's path without its last extension, in canonical spelling."""
    return canonical(str(PurePosixPath(name).with_suffix("")))


def repeats_of(name: str) -> int:
    """How often an epoch shows a picture: N of the innermost folder called ``N_name``, else 1. May be 0."""
    for folder in PurePosixPath(name).parents:
        found = re.fullmatch(r"([0-9]{1,4})_.+", folder.name)
        if found and int(found[1]) <= MAX_REPEATS:
            return int(found[1])
    return 1


def _masked_stem(name: str, stems: Set[str]) -> str:
    """Stem, in lower case, of the picture that a mask belongs to; empty if the file isn't a mask."""
    *folders, last = stem(name).lower().split("/")
    if found := re.fullmatch(r"(.+)(_mask|-masklabel)", last):
        return "/".join([*folders, found[1]])
    if MASK_FOLDER in folders:
        folders.remove(MASK_FOLDER)
        picture = "/".join([*folders, last])
        return picture if picture in stems else ""
    return ""

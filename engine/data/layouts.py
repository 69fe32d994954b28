"""File layouts of other trainers: where each expects names, captions, repeats and masks."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

from ..core.errors import DatasetError
from ..core.file_names import usable
from .dataset import Dataset, ImageRecord
from .listing import MASK_FOLDER, MAX_REPEATS, PICTURE_EXTENSIONS, canonical, is_unicode
from .masks import Mask
from .sources import read_unchanged

LAYOUTS = ("kohya", "diffusers", "replicate", "fal")
ARCHIVES = ("replicate", "fal")
"""Layouts that are a zip archive; the others are a folder."""

_READ_BY_ALL = (".png", ".jpg", ".jpeg", ".webp")
_MIN_PICTURES = {"replicate": 10, "fal": 4}
"""Number of pictures that a hosted trainer asks for."""


@dataclass(frozen=True)
class PlannedFile:
    """A file still to be written."""

    name: str
    """Relative to the data set's root, with forward slashes."""
    content: Callable[[], bytes]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The files of a data set in one layout, and notes for the user."""

    files: tuple[PlannedFile, ...]
    notes: tuple[str, ...]


def plan(dataset: Dataset, layout: str) -> Plan:
    """The files of a layout, with the pictures' bytes unchanged; nothing is read yet.

    - ``kohya``: ``N_name/picture.png`` with ``picture.txt``, and masks in ``masks/``, its ``conditioning_data_dir``.
    - ``diffusers``: pictures and ``metadata.jsonl``, the imagefolder of Hugging Face's datasets.
    - ``replicate``: a flat zip with captions in text files; repeats become copies.
    - ``fal``: the same, with masks as ``picture_mask.jpg``.

    Raises:
        DatasetError: the layout is unknown, or can't hold the data set.
    """
    if layout not in LAYOUTS:
        raise DatasetError(f"Unknown layout {layout!r}.", expected=f"one of {', '.join(LAYOUTS)}")
    _refuse_unsavable(dataset)
    planned = {"kohya": _kohya, "diffusers": _diffusers}.get(layout, partial(_flat, masks=layout == "fal"))
    return Plan(files=tuple(planned(dataset)), notes=tuple(_notes(dataset, layout)))


def _refuse_unsavable(dataset: Dataset) -> None:
    if not dataset.records:
        raise DatasetError(f"The data set {dataset.name} is empty.", expected="at least one picture")
    problems = [
        f"{r.name}: its caption has characters that can't be written to a text file"
        for r in dataset
        if not is_unicode(r.caption or "") or "\0" in (r.caption or "")
    ]
    problems += [f"{r.name}: {r.repeats} repeats" for r in dataset if not 1 <= r.repeats <= MAX_REPEATS]
    if problems:
        raise DatasetError(
            f"{dataset.name} can't be saved:\n  " + "\n  ".join(problems),
            expected=f"captions without zero bytes, and 1 to {MAX_REPEATS} repeats",
            hint="fix these captions, or lower the repeats.",
        )


def _notes(dataset: Dataset, layout: str) -> Iterator[str]:
    others = sorted({extension for r in dataset if (extension := _extension(r.name)) not in _READ_BY_ALL})
    if others and layout != "diffusers":
        yield f"Not every trainer reads {', '.join(others)}; PNG, JPEG and WebP are safe."
    if bare := sum(not (r.caption or "").strip() for r in dataset):
        yield f"Without a caption: {bare} of {len(dataset)} pictures."
    if len(dataset) < _MIN_PICTURES.get(layout, 0):
        yield f"{len(dataset)} pictures; this trainer asks for {_MIN_PICTURES[layout]} or more."
    if layout in ARCHIVES and len({r.repeats for r in dataset}) > 1:
        yield "This trainer has no repeats, so pictures with more repeats are included more than once."
    if layout == "replicate" and any(r.mask for r in dataset):
        yield f"This trainer doesn't use masks: {sum(r.mask is not None for r in dataset)} were left out."


def _kohya(dataset: Dataset) -> Iterator[PlannedFile]:
    trigger = dataset.trigger
    concept = _clean(f"{trigger.word} {trigger.class_word}".strip() if trigger else dataset.name)
    for record, name in zip(dataset, _names(dataset), strict=True):
        at = f"{record.repeats}_{concept}/{name}"
        yield _picture(at, record)
        yield from _caption(at, record)
        if record.mask:
            yield _mask(f"{MASK_FOLDER}/{at}", record.mask)


def _diffusers(dataset: Dataset) -> Iterator[PlannedFile]:
    rows = []
    masked = any(record.mask for record in dataset)
    for record, name in zip(dataset, _names(dataset), strict=True):
        at = name if record.repeats == 1 else f"{record.repeats}_{_clean(dataset.name)}/{name}"
        picture = _picture(at, record)
        yield picture
        row: dict[str, str | None] = {"file_name": picture.name, "text": record.caption or ""}
        if masked:
            row["mask_file_name"] = None
        if record.mask:
            mask = _mask(f"{MASK_FOLDER}/{at}", record.mask)
            yield mask
            row["mask_file_name"] = mask.name
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
    yield PlannedFile("metadata.jsonl", "".join(rows).encode)


def _flat(dataset: Dataset, masks: bool) -> Iterator[PlannedFile]:
    """One folder without subfolders. Repeats become copies, divided by their greatest common divisor."""
    divisor = math.gcd(*(record.repeats for record in dataset))
    copies = tuple(replace(r, repeats=1) for r in dataset for _ in range(r.repeats // divisor))
    for record, name in zip(copies, _names(replace(dataset, records=copies)), strict=True):
        yield _picture(name, record)
        yield from _caption(name, record)
        if masks and record.mask:
            yield PlannedFile(f"{name}_mask.jpg", partial(_as_jpeg, record.mask))


def _names(dataset: Dataset) -> list[str]:
    """A file name without folder and extension for each record, its own if possible.

    Names are unique even without extensions and ignoring case, since captions and masks are matched by them.
    """
    taken: set[str] = set()
    names = []
    for record in dataset:
        own = _clean(PurePosixPath(record.name).stem)
        name, number = own, 2
        while canonical(name).casefold() in taken:
            name, number = f"{own}_{number}", number + 1
        taken.add(canonical(name).casefold())
        names.append(name)
    return names


def _clean(name: str) -> str:
    """A name that is valid on every system, and that isn't the name of a mask or a hidden file."""
    name = usable(name.lstrip(". "), instead="picture")
    return f"{name}_picture" if name.lower().endswith(("_mask", "-masklabel")) else name


def _extension(name: str) -> str:
    extension = PurePosixPath(name).suffix
    return extension if extension.lower() in PICTURE_EXTENSIONS else ".png"


def _picture(at: str, record: ImageRecord) -> PlannedFile:
    return PlannedFile(at + _extension(record.name), partial(read_unchanged, record.source, record.content_hash))


def _caption(at: str, record: ImageRecord) -> Iterator[PlannedFile]:
    caption = record.caption or ""
    if caption.strip():
        # Readers strip a byte-order mark, so a caption that starts with one needs another before it.
        encoding = "utf-8-sig" if caption.startswith("\N{BOM}") else "utf-8"
        yield PlannedFile(f"{at}.txt", partial(caption.encode, encoding))


def _mask(at: str, mask: Mask) -> PlannedFile:
    """The mask's own bytes; an alpha channel becomes a file of its own."""
    if mask.channel == "alpha":
        return PlannedFile(f"{at}.png", partial(_encoded, mask, "PNG"))
    return PlannedFile(at + _extension(mask.source.name), partial(read_unchanged, mask.source, mask.content_hash))


def _as_jpeg(mask: Mask) -> bytes:
    if mask.channel == "gray" and _extension(mask.source.name).lower() in (".jpg", ".jpeg"):
        return read_unchanged(mask.source, mask.content_hash)
    return _encoded(mask, "JPEG", quality=95)


def _encoded(mask: Mask, file_format: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    mask.load().save(buffer, file_format, **options)
    return buffer.getvalue()

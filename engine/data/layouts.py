"""File layouts of other trainers: where each expects names, captions, repeats, masks and pictures before editing."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from ..core.errors import DatasetError
from ..core.file_names import usable
from .dataset import Dataset
from .exporting import Encoded, Export, Trait
from .folders import MAX_REPEATS, repeats_of, why_set_aside
from .mask_files import may_be_mask
from .names import canonical, is_unicode
from .pairing import unmarked

LAYOUTS = ("kohya", "diffusers", "replicate", "fal")
ARCHIVES = ("replicate", "fal")
"""Layouts that are a zip archive; the others are a folder."""
ONE_LINE = ("kohya", "replicate", "fal")
"""Layouts whose captions are text files, which other trainers read line by line."""

_MASK_FOLDER = "masks"
_REFERENCE_FOLDER = "control"
_NOT_A_PICTURE = re.compile(r"(?:\.|~\$|\s)+")
"""The start of a name that is hidden or temporary, so that readers leave it out."""
_MASK_START = re.compile(r"masks?(?:[ _-]|\Z)", re.IGNORECASE)


@dataclass(frozen=True)
class WrittenFile:
    """A file to write."""

    name: str
    """Relative to the data set's root, with forward slashes."""
    data: bytes
    traits: tuple[Trait, ...] = ()
    """What the original file had that its pixels alone don't tell."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The files of a data set in one layout."""

    pictures: int
    """Number of pictures, copies included."""
    files: Iterator[tuple[str, list[WrittenFile]]]
    """For each picture its own name and its files; at last perhaps an empty name and files of the whole set."""


def plan(dataset: Dataset, items: Sequence[Export], layout: str) -> Plan:
    """The files of a layout, one picture after the other; each is read when its turn comes.

    - ``kohya``: ``N_name/picture.png`` with ``picture.txt``, and masks in ``masks/``, its ``conditioning_data_dir``;
      pictures before editing in ``control/``, the ``control_directory`` of musubi-tuner.
    - ``diffusers``: pictures and ``metadata.jsonl``, the imagefolder of Hugging Face's datasets.
    - ``replicate``: a flat zip with captions in text files; repeats become copies.
    - ``fal``: the same, with masks as ``picture_mask.jpg``, and pairs as ``picture_start.png`` and ``picture_end.png``.

    Raises:
        DatasetError: the layout is unknown, or can't hold the data set.
    """
    if layout not in LAYOUTS:
        raise DatasetError(f"Unknown layout {layout!r}.", expected=f"one of {', '.join(LAYOUTS)}")
    _refuse_unsavable(dataset)
    if layout in ARCHIVES:
        items = _copied(items)
    make = {"kohya": _kohya, "diffusers": _diffusers}.get(layout, partial(_flat, fal=layout == "fal"))
    return Plan(pictures=len(items), files=make(dataset, items))


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


def one_line(caption: str) -> str:
    """A caption's lines joined by blanks.

    Of a text file kohya's trainers read the first line; others take each line for a caption of its own.
    """
    return " ".join(part for line in re.split(r"[\r\n]+", caption) if (part := line.strip()))


def _kohya(dataset: Dataset, items: Sequence[Export]) -> Iterator[tuple[str, list[WrittenFile]]]:
    for item, name in zip(items, _names(items), strict=True):
        trigger = item.record.trigger or dataset.trigger
        concept = f"{trigger.word} {trigger.class_word}".strip() if trigger else dataset.name
        at = f"{_folder(item.record.repeats, concept)}/{name}"
        files = [_file(at, item.picture()), *_caption(at, item)]
        if mask := item.mask():
            files.append(_file(f"{_MASK_FOLDER}/{at}", mask))
        if reference := item.reference():
            files.append(_file(f"{_REFERENCE_FOLDER}/{at}", reference))
        yield item.record.name, files


def _diffusers(dataset: Dataset, items: Sequence[Export]) -> Iterator[tuple[str, list[WrittenFile]]]:
    rows = []
    masked = any(item.record.mask for item in items)
    for item, name in zip(items, _names(items), strict=True):
        repeats = item.record.repeats
        at = name if repeats == 1 else f"{_folder(repeats, dataset.name)}/{name}"
        files = [_file(at, item.picture())]
        row: dict[str, str | None] = {"file_name": files[0].name, "text": item.record.caption or ""}
        if masked:
            row["mask_file_name"] = None
        if mask := item.mask():
            files.append(_file(f"{_MASK_FOLDER}/{at}", mask))
            row["mask_file_name"] = files[-1].name
        if dataset.has_pairs:
            row["control_file_name"] = None
        if reference := item.reference():
            files.append(_file(f"{_REFERENCE_FOLDER}/{at}", reference))
            row["control_file_name"] = files[-1].name
        rows.append(json.dumps(row, ensure_ascii=False) + "\n")
        yield item.record.name, files
    yield "", [WrittenFile("metadata.jsonl", "".join(rows).encode())]


def _flat(dataset: Dataset, items: Sequence[Export], *, fal: bool) -> Iterator[tuple[str, list[WrittenFile]]]:
    """One folder without subfolders."""
    del dataset
    for item, name in zip(items, _names(items), strict=True):
        reference = item.reference() if fal else None
        files = [_file(f"{name}_end" if reference else name, item.picture()), *_caption(name, item)]
        if reference:
            files.append(_file(f"{name}_start", reference))
        if fal and (mask := item.mask_as_jpeg()):
            files.append(WrittenFile(f"{name}_mask.jpg", mask))
        yield item.record.name, files


def _copied(items: Sequence[Export]) -> list[Export]:
    """Repeats as copies, divided by their greatest common divisor."""
    divisor = math.gcd(*(item.record.repeats for item in items))
    return [item for item in items for _ in range(item.record.repeats // divisor)]


def _names(items: Sequence[Export]) -> list[str]:
    """A file name without folder and extension for each picture, its own if possible.

    Names are unique even without extensions and ignoring case, since captions and masks are matched by them.
    """
    taken: set[str] = set()
    names = []
    for item in items:
        own = PurePosixPath(item.record.name).stem
        own = _clean(unmarked(own) if item.record.reference else own)
        name, number = own, 2
        while canonical(name).casefold() in taken:
            name, number = f"{own}_{number}", number + 1
        taken.add(canonical(name).casefold())
        names.append(name)
    return names


def _clean(name: str) -> str:
    """A name that is valid on every system, and that isn't the name of a mask or a hidden file."""
    name = usable(_NOT_A_PICTURE.sub("", name, 1) if _NOT_A_PICTURE.match(name) else name, instead="picture")
    if _MASK_START.match(name):
        name = f"picture_of_{name}"
    return f"{name}_picture" if may_be_mask(name) else name


def _folder(repeats: int, concept: str) -> str:
    """``N_concept``, with a word more where readers would take that for a date, a camera's folder or class pictures."""
    own = _clean(concept)
    names = [f"{repeats}_{own}", f"{repeats}_{own} pictures", f"{repeats}_pictures of {own}"]
    return next((name for name in names if _is_read_as(f"{name}/picture.png", repeats)), names[-1])


def _is_read_as(path: str, repeats: int) -> bool:
    """Whether readers take a picture for one of the subject with so many repeats."""
    return repeats_of(path) == repeats and not why_set_aside(path, ())


def _file(at: str, encoded: Encoded) -> WrittenFile:
    return WrittenFile(at + encoded.ending, encoded.data, encoded.traits)


def _caption(at: str, item: Export) -> list[WrittenFile]:
    caption = one_line(item.record.caption or "")
    # Readers strip a byte-order mark, so a caption that starts with one needs another before it.
    encoding = "utf-8-sig" if caption.startswith("\N{BOM}") else "utf-8"
    return [WrittenFile(f"{at}.txt", caption.encode(encoding))] if caption else []

"""Captions for pictures that have none, from the names of their files or folders."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Literal

from .folders import concept_of

if TYPE_CHECKING:
    from .dataset import ImageRecord

Uncaptioned = Literal["no caption", "file name", "folder name"]
UNCAPTIONED = ("no caption", "file name", "folder name")


def captioned(record: ImageRecord, uncaptioned: Uncaptioned, root: str) -> ImageRecord:
    """The record with its file's or folder's name as the caption, if it has none.

    Args:
        record: a picture.
        uncaptioned: which name.
        root: name of the data set's folder, for pictures that lie in no other.
    """
    if record.caption or uncaptioned == "no caption":
        return record
    if uncaptioned == "file name":
        return _named(record, caption_from(record.name), "its file's name")
    return _named(record, concept_of(record.name) or concept_of(f"{root}/{record.name}"), "its folder's name")


def _named(record: ImageRecord, caption: str, place: str) -> ImageRecord:
    """The record with a caption, if there is one; a blank caption file stays the place for one."""
    from .dataset import CaptionOrigin  # nodes need the choices above when ComfyUI starts, and no data set

    if not caption:
        return record
    return replace(record, caption=caption, caption_origin=record.caption_origin or CaptionOrigin(place))


def caption_from(name: str) -> str:
    """A file's name as a caption: ``a_red-fox (3).png`` is *a red-fox*; empty if it is only a number."""
    words = PurePosixPath(name).stem.replace("_", " ")
    words = re.sub(r"\s*(?:\(\d+\)|[ -]\d+)\s*$", "", " ".join(words.split()))
    return words if re.search(r"[^\W\d]", words) else ""

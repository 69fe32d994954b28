"""What names of folders say: not the subject's pictures, or how often to repeat them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from pathlib import PurePosixPath

MAX_REPEATS = 1000
"""A larger number in a folder's name is probably a year or a date."""

_SYSTEM = {
    "__macosx", "__pycache__", "@eadir", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "@tmp",
    "$recycle.bin", "recycler", "recycled", "found.000", "system volume information", "lost+found",
    "network trash folder", "temporary items", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini",
    "icon\r", "pspbrwse.jbf", "zbthumbnail.info", "synofile_thumb",
}  # fmt: skip
_PICTURES = r"(?:[ _-]?(?:set|dir|data|folder|images?|imgs?|pictures?|pics?|photos?))?"
_SET_ASIDE = (
    (
        re.compile(rf"(?:reg(?:s|ulari[sz]ation)?|class|prior){_PICTURES}", re.IGNORECASE),
        "its folder, {folder}, is named as one of regularization pictures; LW_RegularizationSet takes them",
    ),
    (
        re.compile(rf"(?:training[ _-]?)?(?:samples?|previews?){_PICTURES}", re.IGNORECASE),
        "its folder, {folder}, is named as one of pictures generated during training",
    ),
    (
        re.compile(r"_?(?:thumbs|thumbnails?)", re.IGNORECASE),
        "its folder, {folder}, is named as one of thumbnails",
    ),
)
_BESIDE = (
    ("img", {"model", "models", "log", "logs"}, "its folder, {folder}, belongs to what a kohya project puts out"),
    (
        "train",
        {"val", "valid", "validation", "test", "eval"},
        "its folder, {folder}, is kept from training",
    ),
)
"""Folders that mean something beside another one."""
_CAMERA = re.compile(r"[1-9][0-9]{2}_[A-Z0-9_]{4}")
"""Folders of cameras, after the DCF standard: three digits and five letters, such as 100_PANA."""
_PAIRS = 3
"""Equal names in two folders from which they hardly are chance."""
_DATE = re.compile(r"[0-9]{1,4}([_-])[0-9]{1,2}\1[0-9]{1,4}(?:\D.*)?")


def is_system(part: str) -> bool:
    """Whether a file or folder of this name is hidden, or belongs to an operating system or a storage device."""
    lower = part.lower()
    return part.startswith((".", "~$")) or lower in _SYSTEM or lower.startswith("synofile_thumb")


def why_set_aside(name: str, folders: Collection[str], *, regularization: bool = False) -> str:
    """Why a picture in these folders isn't one of the subject; empty if nothing says so.

    Args:
        name: path of the picture.
        folders: paths of all folders in the tree, in lower case.
        regularization: the pictures are meant as regularization pictures, so folders of such are right.
    """
    for folder in PurePosixPath(name).parents:
        for pattern, reason in _SET_ASIDE[1:] if regularization else _SET_ASIDE:
            if pattern.fullmatch(folder.name):
                return reason.format(folder=folder)
        for neighbor, names, reason in _BESIDE:
            if folder.name.lower() in names and str(folder.with_name(neighbor)).lower() in folders:
                return reason.format(folder=folder)
    return ""


def repeats_of(name: str) -> int:
    """How often an epoch shows a picture: N of the innermost folder called ``N_name``, else 1. May be 0."""
    for folder in PurePosixPath(name).parents:
        found = re.fullmatch(r"([0-9]{1,4})_.+", folder.name)
        if found and not why_no_repeats(folder.name):
            return int(found[1])
    return 1


def why_no_repeats(folder: str) -> str:
    """Why a folder's name that begins with a number doesn't ask for repeats; empty if it does, or has no number."""
    found = re.fullmatch(r"([0-9]{1,8})_.+", folder)
    if not found:
        return ""
    if _CAMERA.fullmatch(folder):
        return "it is the name of a camera's folder"
    if _DATE.fullmatch(folder):
        return "it is a date"
    return f"more than {MAX_REPEATS} repeats are taken for a year or a date" if int(found[1]) > MAX_REPEATS else ""


def paired_folders(pictures: Iterable[str]) -> dict[str, str]:
    """Folder -> one beside it that has all its file names, as a folder of masks or control pictures has.

    Of two folders with the same names, the second one by name is given.
    """
    names: dict[PurePosixPath, set[str]] = defaultdict(set)
    having: dict[tuple[PurePosixPath, str], list[PurePosixPath]] = defaultdict(list)
    for picture in pictures:
        path = PurePosixPath(picture)
        names[path.parent].add(path.stem.lower())
    for folder, own in names.items():
        for name in own:
            having[folder.parent, name].append(folder)
    found = {}
    for folder, own in names.items():
        beside = having[folder.parent, min(own)] if len(own) >= _PAIRS and folder.name else []
        for other in beside:
            if other.name and (own < names[other] or (own == names[other] and str(other) < str(folder))):
                found[str(folder)] = str(other)
                break
    return found


def concept_of(name: str) -> str:
    """The innermost folder's name without its repeats, with blanks for underscores; empty for a picture in the root."""
    folder = PurePosixPath(name).parent.name
    if not why_no_repeats(folder):
        folder = re.sub(r"^[0-9]{1,4}_(?=.)", "", folder)
    return " ".join(folder.replace("_", " ").split())

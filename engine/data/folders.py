"""What names of folders say: not the subject's pictures, or how often to repeat them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from pathlib import PurePosixPath

MAX_REPEATS = 1000
"""A larger number in a folder's name is probably a year or a date."""

_SYSTEM = {
    "__macosx", "__pycache__", "@eadir", "#recycle", "#snapshot", "~snapshot", "@recycle", "@recently-snapshot", "@tmp",
    "@__thumb",
    "$recycle.bin", "recycler", "recycled", "found.000", "system volume information", "lost+found",
    "network trash folder", "temporary items", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini",
    "icon\r", "pspbrwse.jbf", "zbthumbnail.info", "synofile_thumb",
}  # fmt: skip
_PICTURES = r"(?:[ _-]?(?:set|dir|data|folder|images?|imgs?|pictures?|pics?|photos?))?"
_SET_ASIDE = (
    (
        re.compile(
            rf"(?:[0-9]{{1,4}}_)?(?:regs?(?:[ _-].+)?|regulari[sz]ation.*)"
            rf"|(?:class|prior(?:[ _-]?preservation)?){_PICTURES}",
            re.IGNORECASE,
        ),
        "its folder, {folder}, is named as one of regularization pictures; LW_RegularizationSet takes them",
    ),
    (
        re.compile(rf"(?:training[ _-]?)?(?:samples?|previews?){_PICTURES}", re.IGNORECASE),
        "its folder, {folder}, is named as one of pictures generated during training",
    ),
    (
        re.compile(r"_?(?:thumbs?|thumbnails?)", re.IGNORECASE),
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
_MAIN = {"image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "train", "target", "targets"}
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
    """Folder -> another that has all its file names, as a folder of masks or control pictures has one.

    The other is the folder around it, or its path differs in one place: ``depth`` and ``images``, or ``depth/10_fox``
    and ``images/10_fox``. Of two with equal names, the one is given that isn't called ``images``, or the second.
    """
    names: dict[PurePosixPath, set[str]] = defaultdict(set)
    for picture in pictures:
        path = PurePosixPath(picture)
        names[path.parent].add(path.stem.lower())
    near: dict[tuple[str, ...], list[PurePosixPath]] = defaultdict(list)
    for folder in names:
        for place in _places(folder):
            near[place].append(folder)
    found = {}
    for folder, own in names.items():
        beside = [folder.parent, *(other for place in _places(folder) for other in near[place])]
        for other in beside if len(own) >= _PAIRS and folder.name else ():
            if own < names.get(other, set()) or (own == names.get(other) and _rank(other) < _rank(folder)):
                found[str(folder)] = str(other)
                break
    return found


def _rank(folder: PurePosixPath) -> tuple[bool, str]:
    """Folders of the pictures themselves first."""
    return not any(part.lower() in _MAIN for part in folder.parts), str(folder)


def _places(folder: PurePosixPath) -> Iterator[tuple[str, ...]]:
    """The folder's path with each of its parts left open in turn."""
    parts = folder.parts
    for at in range(len(parts)):
        yield (*parts[:at], "", *parts[at + 1 :])


def concept_of(name: str) -> str:
    """The innermost folder's name without its repeats, with blanks for underscores; empty for a picture in the root."""
    folder = PurePosixPath(name).parent.name
    if not why_no_repeats(folder):
        folder = re.sub(r"^[0-9]{1,4}_(?=.)", "", folder)
    return " ".join(folder.replace("_", " ").split())

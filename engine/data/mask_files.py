"""Which files of a data set are masks, and whose."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from .dataset import Skipped
from .names import natural_key, stem

MASK_FOLDER = "masks"
"""The folder that data sets are saved with."""

_FOLDER = re.compile(r"_?masks?(?:[ _-]?(?:images?|imgs?|pictures?|pics?|photos?))?", re.IGNORECASE)
_FOLDER_OF = re.compile(r"(.+)[ _-]masks?", re.IGNORECASE)
_FILE = re.compile(r"masks?[ _-](.+)|(.+?)(?:[ _.-]\(?masks?\)?|[_-]masklabel)(_?\d{1,5}_?)?", re.IGNORECASE)
"""With the name of the picture, perhaps with a number behind it, as ComfyUI's ``fox_mask_00001_.png``."""
_CERTAIN = re.compile(r".+(?:_mask|[_-]masklabel)", re.IGNORECASE)
"""Others are masks only if there is their picture; they may be pictures of a gas-mask, or of a mask-maker."""
_CONDITION = re.compile(r".+[_-]condlabel", re.IGNORECASE)
"""OneTrainer's pictures before editing."""


@dataclass
class MaskFiles:
    """Images, sorted into pictures and masks."""

    pictures: list[str] = field(default_factory=list)
    by_picture: dict[str, str] = field(default_factory=dict)
    """Picture -> its mask."""
    skipped: list[Skipped] = field(default_factory=list)
    """Masks that fit no picture, or one that has a mask already."""


def sort_masks(images: Sequence[str], *, pairs: bool = False) -> MaskFiles:
    """Tell masks from pictures, and find the picture of each mask.

    ``fox_mask.png``, ``mask_fox.png``, ``fox-mask.png``, ``fox.mask.png``, ``fox mask.png``, ``fox (mask).png`` and
    ``fox-masklabel.png`` belong to ``fox.*`` beside them, ``fox_mask_00001_.png`` to ``fox_00001_.*`` or ``fox.*``. One
    in a folder ``masks``, ``mask`` or ``images_mask`` (beside ``images``) belongs to the picture of its name beside
    that folder, in a folder beside it, or, if there is only one of its name, anywhere. Case is ignored.

    Args:
        images: their paths.
        pairs: pictures before editing are wanted, so OneTrainer's conditioning images are pictures.
    """
    folders = {folder.lower() for name in images for folder in map(str, PurePosixPath(stem(name)).parents)}
    places = {name: _mask_folder(name, folders) for name in images}
    found = MaskFiles()
    candidates = []
    for name in images:
        last = stem(name).rpartition("/")[2]
        if _CONDITION.fullmatch(last) and not pairs:
            reason = "it is a conditioning image of OneTrainer; LW_PairDataset takes these"
            found.skipped.append(Skipped(name=name, reason=reason))
        elif places[name] is not None or _FILE.fullmatch(last):
            candidates.append(name)
        else:
            found.pictures.append(name)
    known = _Pictures(found.pictures)
    for name in candidates:
        fitting = known.of_mask(name, places[name])
        free = [picture for picture in fitting if picture not in found.by_picture]
        if free:
            for picture in free:
                found.by_picture[picture] = name
        elif fitting:
            other = found.by_picture[fitting[0]]
            found.skipped.append(Skipped(name=name, reason=f"{fitting[0]} already has a mask, {other}"))
        elif places[name] is None and not _CERTAIN.fullmatch(stem(name).rpartition("/")[2]):
            found.pictures.append(name)
        else:
            found.skipped.append(Skipped(name=name, reason="it is named as a mask, but fits no picture"))
    found.pictures.sort(key=natural_key)
    return found


def may_be_mask(name: str) -> bool:
    """Whether a file's name, without folder and ending, may be taken for that of a mask or a conditioning image."""
    return bool(_FILE.fullmatch(name) or _CONDITION.fullmatch(name))


def _mask_folder(name: str, folders: Collection[str]) -> int | None:
    """Position, among its folders, of the innermost one that holds masks."""
    parts = stem(name).lower().split("/")[:-1]
    for at in reversed(range(len(parts))):
        found = _FOLDER_OF.fullmatch(parts[at])
        if _FOLDER.fullmatch(parts[at]) or (found and "/".join([*parts[:at], found[1]]) in folders):
            return at
    return None


class _Pictures:
    """Pictures by what the path of a mask can be compared with."""

    def __init__(self, pictures: Sequence[str]) -> None:
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        self._by_last: dict[str, list[str]] = defaultdict(list)
        self._in_any: dict[str, list[str]] = defaultdict(list)
        for name in pictures:
            parts = stem(name).lower().split("/")
            self._by_stem["/".join(parts)].append(name)
            self._by_last[parts[-1]].append(name)
            for at in range(len(parts) - 1):
                self._in_any["/".join([*parts[:at], "*", *parts[at + 1 :]])].append(name)

    def of_mask(self, name: str, at: int | None) -> list[str]:
        """The pictures that a mask belongs to: several if they differ only in their endings, or none.

        Args:
            name: path of the mask.
            at: position of the folder of masks among its folders; ``None`` if the mask lies beside its picture.
        """
        *folders, last = stem(name).lower().split("/")
        shortened = _shortened(last)
        if at is None:
            paths = ("/".join([*folders, own]) for own in shortened)
            return next((self._by_stem[path] for path in paths if path in self._by_stem), [])
        before, after = folders[:at], folders[at + 1 :]
        for own in [*shortened, last]:
            for fitting in (
                self._by_stem.get("/".join([*before, *after, own]), []),
                self._in_any.get("/".join([*before, "*", *after, own]), []),
                self._by_last.get(own, []),
            ):
                if fitting and len({stem(picture).lower() for picture in fitting}) == 1:
                    return fitting
        return []


def _shortened(last: str) -> list[str]:
    """What the picture of a mask of this name may be called, the likeliest first."""
    found = _FILE.fullmatch(last)
    if found is None:
        return []
    return [found[1]] if found[1] else list(dict.fromkeys([found[2] + (found[3] or ""), found[2]]))

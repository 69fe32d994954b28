"""Trigger words that nobody wrote down: what stands in nearly all captions of a training."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from .said import phrases
from .values import mapping, number

_FOLDER = re.compile(r"\d+_(?P<phrase>.+)")
"""Kohya's folders: repeats, then the words that stand in for captions."""
_NEARLY_ALL = 0.9
"""Share of a folder's captions."""
_COMMON = frozenset(
    """
    1girl,1boy,girl,boy,woman,man,person,solo,no humans,simple background,white background,looking at viewer,photo,
    realistic,masterpiece,best quality,high quality,highres,absurdres,img,image,images,picture,pictures,dataset,train
    """.strip().replace("\n    ", "").split(",")
)  # fmt: skip
"""What stands in many data sets' captions whatever they show; nobody's trigger word."""


class _Folder(NamedTuple):
    """A folder of training pictures, as kohya's metadata have it."""

    phrase: str
    """The words in its name; empty if it has none."""
    pictures: float
    """0 where that isn't told."""
    tags: Mapping[str, float]
    """Tag -> in how many captions."""


def likely_triggers(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """For each folder of training pictures, the tag that is in most of its captions, if it is in nearly all of them.

    Tags that are as frequent come in this order: those with words of the folder's name, as in ``10_ohwx man``, then as
    the trainer has counted them, which is how the first caption has them. A folder whose pictures have no captions was
    trained on its name.

    Args:
        metadata: of the header, with ``ss_tag_frequency`` and ``ss_dataset_dirs``.
    """
    return phrases(_likely(folder) for folder in _folders(metadata))


def _folders(metadata: Mapping[str, str]) -> Iterator[_Folder]:
    counted, told = (mapping(metadata.get(name, "")) for name in ("ss_tag_frequency", "ss_dataset_dirs"))
    for name in {**counted, **told}:
        found = _FOLDER.fullmatch(name)
        pictures = number(mapping(told.get(name)).get("img_count")) or 0.0
        yield _Folder(found["phrase"].replace("_", " ") if found else "", pictures, _counts(counted.get(name)))


def _counts(tags: Any) -> dict[str, float]:
    found = {tag.strip(): number(count) or 0.0 for tag, count in mapping(tags).items()}
    return {tag: count for tag, count in found.items() if tag and count > 0}


def _likely(folder: _Folder) -> str:
    most = max([folder.pictures, *folder.tags.values()], default=0.0)
    frequent = [tag for tag, count in folder.tags.items() if count >= _NEARLY_ALL * most and _telling(tag)]
    if frequent:
        own = set(folder.phrase.casefold().split())
        return min(frequent, key=lambda tag: (not own & set(tag.casefold().split()), -folder.tags[tag]))
    return folder.phrase if not folder.tags and _telling(folder.phrase) else ""


def _telling(phrase: str) -> bool:
    return phrase.casefold() not in _COMMON

"""Which pictures belong together as before and after editing, by their names alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .dataset import Skipped
from .names import stem

Role = Literal["before", "after"]
Path = tuple[str, ...]
"""A picture's path without its ending, by parts."""

_WORDS: Mapping[str, Role] = {
    **dict.fromkeys(
        (
            "start", "control", "controls", "source", "sources", "src", "input", "inputs", "before", "original",
            "originals", "reference", "references", "ref", "cond", "condition", "conditions", "conditioning",
            "condlabel",
        ),
        "before",
    ),
    **dict.fromkeys(
        (
            "end", "target", "targets", "output", "outputs", "after", "edited", "edit", "edits", "result", "results",
        ),
        "after",
    ),
}  # fmt: skip
_FOLDERS: Mapping[str, Role] = {**_WORDS, "a": "before", "b": "after"}
"""A and B are those of pix2pix."""
_FOLDER = re.compile(r"(.+?)(?:[ _-]?(?:images?|imgs?|pictures?|pics?|photos?|dir|folder))?", re.IGNORECASE)
_ENDING = re.compile(r"(.+)[ _-]([a-z]+)(\d*)", re.IGNORECASE)
_NUMBERED = re.compile(r"(.+)_(\d{1,3})")
"""As musubi-tuner numbers several references of one picture."""


@dataclass
class Pairing:
    """Pictures before and after editing."""

    references: dict[str, str] = field(default_factory=dict)
    """Result -> the picture before editing."""
    also_called: dict[str, str] = field(default_factory=dict)
    """Path without ending -> the result whose instruction may have this name, as ROOT.txt has that of ROOT_end.png."""
    skipped: list[Skipped] = field(default_factory=list)
    """Pictures without a partner, with the reason."""


@dataclass(frozen=True)
class _Before:
    """A picture before editing."""

    name: str
    paths: tuple[Path, ...]
    """What the path of its result may be, in order of preference."""
    number: int = 0
    """Its place among several of one result."""


def paired(pictures: Sequence[str], known: Mapping[str, str]) -> Pairing:
    """Pair the pictures of one tree.

    Pairs from tables count first. Otherwise a picture is one before editing if a folder's name (``control/fox.png``,
    ``A/fox.png``) or its own (``fox_start.png``, ``fox-condlabel.png``) says so. Its result has the same name, with
    ``_end`` or the like or without an addition, and lies in a folder beside that folder, or in the one around it.

    Args:
        pictures: their paths.
        known: result -> reference, from tables.
    """
    found = Pairing(references=dict(known))
    taken = {*known, *known.values()}
    before, results = [], _Results()
    for name in pictures:
        if name in taken:
            continue
        path = tuple(stem(name).split("/"))
        role, at = _role(path)
        if role == "before":
            before.append(_before(name, path, at))
        else:
            results.add(name, path, at, role)
    _match(found, before, results)
    return found


def paired_with(results: Sequence[str], references: Sequence[str], folder: str) -> Pairing:
    """Pair the results in one tree with the pictures before editing in another, by their paths without endings.

    Args:
        results: paths in the one.
        references: paths in the other.
        folder: name of the other, which its pictures get in front.
    """
    found, index = Pairing(), _Results()
    for name in results:
        index.add(name, tuple(stem(name).split("/")), None, None)
    _match(found, [_Before(f"{folder}/{name}", *_numbered(tuple(stem(name).split("/")))) for name in references], index)
    return found


def unmarked(name: str) -> str:
    """A file's name without ending, and without a word that says whether it is one before or after editing."""
    return next(_without_ending((name,)), (name,))[0]


def _role(path: Path) -> tuple[Role | None, int | None]:
    """What a picture's path says that it is, and where: the position of a folder, -1 for its own name."""
    for at in reversed(range(len(path) - 1)):
        word = _FOLDER.fullmatch(path[at])
        if word and (role := _FOLDERS.get(word[1].lower())):
            return role, at
    ending = _ENDING.fullmatch(path[-1])
    role = _WORDS.get(ending[2].lower()) if ending else None
    return role, -1 if role else None


def _before(name: str, path: Path, at: int | None) -> _Before:
    if at == -1:
        ending = _ENDING.fullmatch(path[-1])
        return _Before(name, ((*path[:-1], ending[1]),), int(ending[3] or 0)) if ending else _Before(name, (path,))
    paths, number = _numbered(_without(path, at or 0))
    return _Before(name, (*paths, *_without_ending(paths[0])), number)


def _numbered(path: Path) -> tuple[tuple[Path, ...], int]:
    """A path, the same without musubi-tuner's number, and that number."""
    found = _NUMBERED.fullmatch(path[-1])
    return (path, (*path[:-1], found[1])) if found else (path,), int(found[2]) if found else 0


def _without(path: Path, at: int) -> Path:
    return (*path[:at], *path[at + 1 :])


def _without_ending(path: Path) -> Iterator[Path]:
    """The path without a word for before or after editing at its end, if it has one."""
    ending = _ENDING.fullmatch(path[-1])
    if ending and ending[2].lower() in _WORDS:
        yield (*path[:-1], ending[1])


class _Results:
    """Pictures after editing, by the paths that their references have when what marks these is taken away."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.marked: dict[str, list[Path]] = defaultdict(list)
        """Result -> its paths without its mark, where it has one."""
        self._ranks: tuple[dict[Path, list[str]], ...] = (defaultdict(list), defaultdict(list), defaultdict(list))

    def add(self, name: str, path: Path, at: int | None, role: Role | None) -> None:
        self.names.append(name)
        if role == "after" and at is not None:
            own = [*_without_ending(path)] if at == -1 else [_without(path, at), *_without_ending(_without(path, at))]
            self.marked[name] = own
            self._put(0, own, name)
        self._put(1, [path], name)
        self._put(2, [_without(path, folder) for folder in range(len(path) - 1)], name)

    def _put(self, rank: int, paths: Iterable[Path], name: str) -> None:
        for path in paths:
            self._ranks[rank][_folded(path)].append(name)

    def of(self, before: _Before) -> list[str]:
        """The results of a picture: several if they differ only in their endings, or if the path is ambiguous."""
        for path in before.paths:
            for rank in self._ranks:
                if found := rank.get(_folded(path)):
                    return list(dict.fromkeys(found))
        return []


def _folded(path: Path) -> Path:
    return tuple(part.casefold() for part in path)


def _match(found: Pairing, before: Sequence[_Before], results: _Results) -> None:
    """Add the pairs, and every picture that isn't in one, to ``found``."""
    for picture in sorted(before, key=lambda picture: picture.number):
        fitting = results.of(picture)
        free = [result for result in fitting if result not in found.references]
        if len({stem(result) for result in fitting}) > 1:
            _skip(found, picture.name, f"several pictures may be its result: {', '.join(fitting[:3])}")
        elif not fitting:
            _skip(found, picture.name, "there is no result of editing with its name")
        elif not free:
            used = found.references[fitting[0]]
            _skip(found, picture.name, f"a pair has one picture before editing; that of {fitting[0]} is {used}")
        for result in free if len({stem(result) for result in fitting}) == 1 else ():
            found.references[result] = picture.name
    for result in results.names:
        if result not in found.references:
            _skip(found, result, "there is no picture before editing with its name")
        for path in results.marked[result] if result in found.references else ():
            found.also_called["/".join(path)] = result


def _skip(found: Pairing, name: str, reason: str) -> None:
    found.skipped.append(Skipped(name=name, reason=reason))

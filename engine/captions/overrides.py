"""Captions of single pictures by file name, as people write them: one ``file name: caption`` a line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from ..core.errors import CaptionError
from ..core.words import first_of
from ..data.dataset import Dataset
from ..data.names import canonical, stem

_COLON = re.compile("[:：]")


def parse_overrides(text: str, dataset: Dataset) -> dict[str, str]:
    """Parse one ``file name: caption`` per line. Blank lines are skipped.

    File names may contain colons: the longest name of a picture before a colon is meant. They may stand in quotes, and
    the colon may be full-width.

    Raises:
        CaptionError: lines without a colon, or two for one picture, all named.
    """
    names = _names(dataset)
    found: dict[str, str] = {}
    problems = []
    for line in filter(str.strip, text.lstrip("\ufeff").splitlines()):
        name, colon, caption = _split_override(line, names)
        if not colon:
            problems.append(f"no colon in {line.strip()!r}")
        elif name in found:
            problems.append(f"two lines for {name!r}")
        found[name] = caption.strip()
    if problems:
        raise CaptionError(
            "The overrides can't be read: " + "; ".join(problems),
            expected="one line for each picture, such as fox 2.png: a fox in snow",
            hint="write the file name, a colon and the caption.",
        )
    return found


def _names(dataset: Dataset) -> dict[str, list[str]]:
    """Each full or short name -> the records that it can mean."""
    names: dict[str, list[str]] = {}
    for record in dataset:
        whole = canonical(record.name)
        last = PurePosixPath(whole).name
        for name in dict.fromkeys([whole, stem(whole), last, stem(last)]):
            names.setdefault(name, []).append(record.name)
    return names


def _split_override(line: str, names: Mapping[str, list[str]]) -> tuple[str, str, str]:
    """(name, colon, caption), split behind the longest known name, or else at the first colon."""
    colons = [found.start() for found in _COLON.finditer(line)]
    for at in reversed(colons):
        for name in _spellings(line[:at]):
            if canonical(name) in names:
                return name, line[at], line[at + 1 :]
    at = colons[0] if colons else len(line)
    return line[:at].strip(), line[at : at + 1], line[at + 1 :]


def _spellings(text: str) -> Iterator[str]:
    """What a text before a colon may mean: itself, without blanks around it, without quotes, with forward slashes."""
    yield text
    yield text.strip()
    unquoted = re.sub(r"""^(["'])(.*)\1$""", r"\2", text.strip())
    yield unquoted
    yield unquoted.replace("\\", "/")


def by_record(dataset: Dataset, overrides: Mapping[str, str]) -> dict[str, str]:
    """Overrides by the full names of records.

    Raises:
        CaptionError: names that match no record or several, or the same one twice, all named.
    """
    names = _names(dataset)
    found: dict[str, str] = {}
    problems = []
    for name, caption in overrides.items():
        wanted = canonical(name)
        matches = [record.name for record in dataset if canonical(record.name) == wanted] or names.get(wanted, [])
        if not matches:
            problems.append(f"{name!r} matches no picture")
        elif len(matches) > 1:
            problems.append(f"{name!r} matches several pictures: {first_of(matches)}")
        elif matches[0] in found:
            problems.append(f"{matches[0]!r} has two overrides")
        else:
            found[matches[0]] = caption
    if problems:
        raise CaptionError(
            f"The overrides can't be used: {'; '.join(problems)}.",
            expected=f"names of pictures in {dataset.name}, such as {', '.join(r.name for r in dataset.records[:3])}",
            hint="write the names as LW_PreviewDataset shows them, with folders where needed.",
        )
    return found

"""A caption as a list of tags with the text between them, so that what isn't moved stays to the letter."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

KEEP_MARK = "|||"
"""The keep-tokens separator of sd-scripts: tags before it stay where they are, as do those after a second one."""
GROUP_MARK = ";;;"
"""The secondary separator of sd-scripts: tags around it move together."""

_COMMAS = ",，、､،﹐﹑；\n"
_COMMA = re.compile(rf"(?<!\d),|,(?!\d\d\d(?!\d))|[{_COMMAS[1:]}]")
"""Not the comma of 1,000."""
_SEMICOLON = re.compile(r"(?<!;);(?=\s|\w\w|$)")
"""Only where a caption has no other separator, and not that of ``;)`` and ``;;;``."""
_BRACKETS = {")": "(", "]": "[", "}": "{", "）": "（", "」": "「", "』": "『", "】": "【", "》": "《", "”": "“"}
_FACES = ":;=>'-8"
"""Characters that make a face of a bracket behind them."""
_DEEPEST = 50
"""Brackets within brackets that are told apart."""
_WHOLE = re.compile(r"<[A-Za-z][^<>\n]*>|(?<![^\s,，、(\[{])\"[^\"\n]+\"(?![^\s,，、.;:!?)\]}])")
"""What no separator parts: ``<lora:…>``, and quotations."""
_ABBREVIATIONS = {
    "dr", "mr", "mrs", "ms", "st", "vs", "jr", "sr", "no", "vol", "fig", "bros", "corp", "inc", "ltd", "co", "prof",
    "etc", "approx", "ver", "feat", "ft",
}  # fmt: skip


@dataclass(frozen=True)
class TagList:
    """Tags, stripped, none empty, and the text around them."""

    tags: tuple[str, ...]
    gaps: tuple[str, ...]
    """Text before the first tag, between each two, and after the last: one more than tags."""

    def __str__(self) -> str:
        rest = "".join(tag + gap for tag, gap in zip(self.tags, self.gaps[1:], strict=True))
        return self.gaps[0] + rest

    def movable(self, keep: int) -> range:
        """Positions of the tags that may move or be dropped: between keep marks, or else after the first ``keep``."""
        marked = [number for number, gap in enumerate(self.gaps) if KEEP_MARK in gap]
        if not marked:
            return range(min(keep, len(self.tags)), len(self.tags))
        return range(marked[0], marked[1] if len(marked) > 1 else len(self.tags))

    def reordered(self, order: Sequence[int]) -> TagList:
        """Other tags at the same places: ``order`` has the old position of each."""
        return replace(self, tags=tuple(self.tags[number] for number in order))

    def only(self, wanted: Callable[[int], bool]) -> TagList:
        """The tags at some positions, each with the gap before it."""
        tags, gaps = [], [self.gaps[0]]
        for number, tag in enumerate(self.tags):
            if wanted(number):
                tags.append(tag)
                gaps.append(self.gaps[number + 1])
            else:
                gaps[-1] = _one_of(gaps[-1], self.gaps[number + 1], number == len(self.tags) - 1)
        if not tags:
            return TagList((), ("",))
        gaps[0] = "" if self.gaps[0].strip() == "" else gaps[0]
        return TagList(tuple(tags), tuple(gaps))

    def with_added(self, tag: str) -> TagList:
        """One more tag at the end, separated as the others are."""
        if not self.tags:
            return TagList((tag,), ("", ""))
        inner = [gap for gap in self.gaps[1:-1] if KEEP_MARK not in gap]
        end = self.gaps[-1] if not _COMMA.search(self.gaps[-1]) else ""
        return TagList((*self.tags, tag), (*self.gaps[:-1], inner[-1] if inner else separator_for(str(self)), end))


def parse(caption: str, separator: str = "") -> TagList:
    """Split a caption into tags.

    Args:
        caption: any text.
        separator: where to split; ``\\n`` for line ends. Empty: at commas of all scripts and line ends or, without any,
            at semicolons, but not within brackets and quotations.
    """
    tags: list[str] = []
    gaps = [""]
    at = 0
    for start, end in [*_separators(caption, separator), (len(caption), len(caption))]:
        part = caption[at:start]
        if tag := part.strip():
            before = part[: len(part) - len(part.lstrip())]
            gaps[-1] += before
            tags.append(tag)
            gaps.append(part[len(before) + len(tag) :] + caption[start:end])
        else:
            gaps[-1] += part + caption[start:end]
        at = end
    if len(tags) > 1 and not separator and (stop := final_stop(tags[-1])):
        tags[-1], gaps[-1] = tags[-1][: -len(stop)], stop + gaps[-1]
    return TagList(tuple(tags), tuple(gaps))


def separator_for(text: str) -> str:
    """What puts a further part behind a text: a comma of its script."""
    wide = re.search(r"[，、；。！？\u3040-\u30ff\u3400-\u9fff]", text)
    return "，" if wide and "," not in text else ", "


def final_stop(text: str) -> str:
    """The period that ends a text, if it isn't that of an abbreviation or an ellipsis; else an empty string."""
    if text.endswith("。"):
        return "。"
    found = re.search(r"(\w+)\.$", text[-40:])
    return "." if found and not abbreviates(found[1]) else ""


def abbreviates(word: str) -> bool:
    """Whether the period behind this word belongs to it, as in ``dr.`` and ``J.``."""
    return len(word) == 1 or word.lower() in _ABBREVIATIONS


def _separators(caption: str, separator: str) -> list[tuple[int, int]]:
    """(start, end) of each separator and keep mark, in order."""
    marks = [found.span() for found in re.finditer(re.escape(KEEP_MARK), caption)]
    whole = _protected(caption) if not separator else bytearray(len(caption))
    for start, end in marks:
        whole[start:end] = b"\x01" * (end - start)
    literal = re.compile(re.escape(separator.replace("\\n", "\n")))
    for pattern in [literal] if separator else [_COMMA, _SEMICOLON]:
        if found := [m.span() for m in pattern.finditer(caption) if not any(whole[m.start() : m.end()])]:
            return sorted([*marks, *found])
    return marks


def _protected(caption: str) -> bytearray:
    """For each character, whether it is inside brackets or a quotation."""
    inside = bytearray(len(caption))
    for start, end in [*_pairs(caption), *(found.span() for found in _WHOLE.finditer(caption))]:
        inside[start:end] = b"\x01" * (end - start)
    return inside


def _pairs(caption: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each pair of brackets; those without a partner, and those of faces, are only characters."""
    opened: list[int] = []
    for at, character in enumerate(caption):
        if character in _BRACKETS.values() and not (at and caption[at - 1] in _FACES):
            opened.append(at)
        elif character in _BRACKETS:
            del opened[:-_DEEPEST]
            matching = next((n for n in reversed(opened) if caption[n] == _BRACKETS[character]), None)
            if matching is not None:
                del opened[opened.index(matching) :]
                yield matching, at + 1


def _one_of(before: str, after: str, last: bool) -> str:
    """The gap that stays where a tag between two goes: a mark, or the one before; behind the last tag the one after."""
    if KEEP_MARK in after and KEEP_MARK not in before:
        return after
    return before if not last or KEEP_MARK in before else after

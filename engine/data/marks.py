"""Marks that other programs' captions hold: what they mean there, and what becomes of them here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ..core.words import counted, first_of
from .caption_form import form_of
from .limits import MAX_CHARACTERS
from .tag_lists import GROUP_MARK, KEEP_MARK

_KEEP = re.compile(rf"\s*[,，]?\s*(?:{re.escape(KEEP_MARK)}\s*[,，]?\s*)+")
_GROUP = re.compile(rf"\s*{re.escape(GROUP_MARK)}\s*")


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A mark of other programs."""

    name: str
    """As people know it."""
    pattern: re.Pattern[str]
    fate: str
    """What becomes of it here, as a clause about the mark."""
    advice: str = ""
    """What to do; empty for marks that are understood."""


def _mark(name: str, pattern: str, fate: str, advice: str = "") -> Mark:
    return Mark(name=name, pattern=re.compile(pattern, re.IGNORECASE), fate=fate, advice=advice)


_AS_WRITTEN = "which is trained as written"
MARKS = (
    _mark(KEEP_MARK, re.escape(KEEP_MARK), "which holds the tags before it in place and isn't trained"),
    _mark(GROUP_MARK, re.escape(GROUP_MARK), "which keeps the tags around it together and becomes a comma"),
    _mark("[trigger], [class] or [name]", r"\[(trigger|class|name)\]|\{(trigger|class)\}",
          "which only LW_TriggerCaptions fills in", "put LW_TriggerCaptions before the training"),
    _mark("[filewords]", r"\[filewords\]", _AS_WRITTEN, "remove it with find in LW_EditCaptions: captions aren't "
          "templates here"),
    _mark("{a|b}", r"\{[^{}\n]*\|[^{}\n]*\}", _AS_WRITTEN, "choose one of the words: nothing is drawn at random here"),
    _mark("__wildcard__", r"(?<![\w_])__[\w/*-]+?__(?![\w_])", _AS_WRITTEN, "write what it stands for: no word lists "
          "are read here"),
    _mark("(tag:1.2)", r"(?<!\\)[(\[][^()\[\]\n]{0,99}[^\W\d][^()\[\]\n]{0,99}:\s*-?(?:\d?\.\d+|[0-2])\s*[)\]]",
          _AS_WRITTEN, "remove brackets and number with find in LW_EditCaptions: weights are for prompts"),
    _mark("((tag))", r"\({2,9}[^()\n]+\){2}|\[{2,9}[^\[\]\n]+\]{2}|\{{2,9}[^{}|\n]+\}{2}", _AS_WRITTEN,
          "remove the brackets with find in LW_EditCaptions: emphasis is for prompts"),
    _mark("<lora:…>", r"<(lora|lyco|hypernet|embedding):[^<>\n]+>", _AS_WRITTEN,
          "remove it with find in LW_EditCaptions: it loads nothing here"),
    _mark("embedding:…", r"(?<![\w<])embedding:\w", _AS_WRITTEN, "remove it with find in LW_EditCaptions: it loads "
          "nothing here"),
    _mark(r"\(", r"\\[()\[\]]", "whose backslash is trained too", r"replace \( by ( with find in LW_EditCaptions: "
          "only prompts need the backslash"),
    _mark("BREAK", r"(?-i:(?<!\w)BREAK(?!\w))", _AS_WRITTEN, "remove it with find in LW_EditCaptions: long "
          "captions are divided by themselves"),
    _mark("several lines", r"\A(?:[^\n\w]*\w+[^\n\w]+\w[^\n]*(?:\n|\Z)){2,}\Z",
          "which are trained together; sd-scripts takes the first, or one at random for each step"),
)  # fmt: skip
"""The known marks. sd-scripts has the first two, wildcards and lines; web UIs have the others."""


def marks_in(captions: Iterable[tuple[str, str]]) -> list[tuple[Mark, list[str]]]:
    """The marks in captions, each with the names of the pictures.

    Args:
        captions: (name, caption). JSON and other data keep their brackets for themselves; what is too long for a
            caption isn't searched.
    """
    found: dict[str, list[str]] = {}
    for name, caption in captions:
        if len(caption) > MAX_CHARACTERS:
            continue
        data = form_of(caption) == "data"
        for mark in MARKS:
            if mark.pattern.search(caption) and not (data and mark.name != KEEP_MARK):
                found.setdefault(mark.name, []).append(name)
    return [(mark, found[mark.name]) for mark in MARKS if mark.name in found]


def in_words(marks: Iterable[tuple[Mark, list[str]]]) -> list[str]:
    """A line for each mark: where it is, what becomes of it, and what to do."""
    lines = []
    for mark, names in marks:
        advice = f": {mark.advice}" if mark.advice else ""
        have = "has" if len(names) == 1 else "have"
        lines.append(f"{counted(len(names), 'caption')} {have} {mark.name}, {mark.fate} ({first_of(names)}){advice}")
    return lines


def unmarked(caption: str) -> str:
    """The caption as it is trained: keep marks and group marks become commas."""
    if KEEP_MARK not in caption and GROUP_MARK not in caption:
        return caption
    text = _GROUP.sub(", ", _KEEP.sub(", ", caption))
    return re.sub(r"^\s*,\s*|\s*,\s*$", "", text)

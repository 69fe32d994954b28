"""Whether a caption is a list of tags, whose parts can be moved, or else prose or data, which can't be parted."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Literal

from .limits import MAX_CHARACTERS
from .scripts import words
from .tag_lists import KEEP_MARK, abbreviates, parse

Form = Literal["tags", "prose", "data"]

_SENTENCE_WORDS = 4
"""Words from which text before a period is a sentence."""
_LONG_PARTS = 2.5
"""Mean number of words between separators from which sentences, and parts that begin with ``and``, make prose."""
_LONGER_PARTS = 3.0
"""The same for parts with a verb or pronoun but without a period."""
_END = re.compile(r"(\w{0,12})([.!?…]+)[\"'”’)\]]*(?=\s|$)|[。！？｡]+")
_JOINING = re.compile(r"(and|or|but|which|who|whose|while|where)\s", re.IGNORECASE)
_SPEAKING = {
    "is", "are", "was", "were", "has", "have", "he", "she", "it", "they", "there", "which", "who", "while"
}  # fmt: skip
_DATA = re.compile(r"\s*(\{\s*[\"'}]|\[\s*[\[{\"'\]]|```|<\?xml|<!--|<(\w+)[^<>]*>.*</\2>\s*\Z)", re.DOTALL)
_HEADING = re.compile(r"^(?:#{1,6}[ \t]+\S.*|\*\*[^*\n]+\*\*:?[ \t]*)\n", re.MULTILINE)
"""Of Markdown, as language models write it."""
_FIELD = re.compile(r"\s*([-*]\s+)?[\"'*]*[^\W\d][\w /-]{0,30}[\"'*]*\s*[:：]\s")


def form_of(caption: str) -> Form:
    """The form of a caption.

    Returns:
        ``data`` for JSON, XML, headings of Markdown and lines of fields (``place: snow``); ``prose`` for sentences;
        ``tags`` for all others, short phrases included. What is too long for a caption is left alone as ``prose``.
    """
    if len(caption) > MAX_CHARACTERS:
        return "prose"
    text = caption.replace(KEEP_MARK, ",").strip()
    if _is_data(text):
        return "data"
    parts = parse(text).tags
    if not parts:
        return "tags"
    mean = len(words(text)) / len(parts)
    if any(_is_sentence(each) for each in _sentences(text)):
        return "prose"
    if mean >= _LONG_PARTS and ("\n\n" in text or any(_JOINING.match(part) for part in parts[1:])):
        return "prose"
    return "prose" if mean >= _LONGER_PARTS and len(parts) > 1 and _SPEAKING & set(words(text)) else "tags"


def ends_a_sentence(text: str) -> bool:
    """Whether a text ends with a period, or another mark that ends sentences."""
    found = list(_END.finditer(text.rstrip()))
    return bool(found) and found[-1].end() == len(text.rstrip()) and not abbreviates(found[-1][1] or "--")


def _is_data(text: str) -> bool:
    if _DATA.match(text) or _is_json(text):
        return True
    if _HEADING.search(text):
        return True
    lines = [line for line in text.split("\n") if line.strip()]
    return len(lines) > 1 and all(_FIELD.match(line) for line in lines)


def _is_json(text: str) -> bool:
    """An object or a list; a word in brackets is no JSON, and neither is ``{a|b}``."""
    if text[:1] not in ("{", "["):
        return False
    try:
        return isinstance(json.loads(text), (dict, list))
    except (ValueError, RecursionError):
        return False


def _sentences(text: str) -> Iterator[str]:
    """Each stretch of text that a period or another mark ends."""
    at = 0
    for found in _END.finditer(text):
        if found[1] and found[2] == "." and abbreviates(found[1]):
            continue
        yield text[at : found.end()]
        at = found.end()


def _is_sentence(text: str) -> bool:
    found = words(text)
    if len(found) < _SENTENCE_WORDS:
        return False
    return len(found) / max(1, len(parse(text).tags)) >= _LONG_PARTS or bool(_SPEAKING & set(found))

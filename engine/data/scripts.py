"""Words in all scripts: those with blanks between words, and those without, such as Chinese, Japanese and Thai."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

UNSPACED = (
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029"
    "\u3031-\u303c\u3040-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff"
    "\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff"
)
"""Characters, for a regular expression's brackets, of scripts that put no blank before or after every word: Thai, Lao,
Tibetan, Burmese, Khmer, Han, kana, bopomofo and Hangul, whose particles follow nouns without a blank."""
_UNSPACED = re.compile(f"[{UNSPACED}]")
_PIECES = re.compile(rf"[{UNSPACED}]{{1,2}}|[^\W{UNSPACED}]+")


def words(text: str) -> list[str]:
    """The words in lower case. Where blanks don't part them, two characters count as a word."""
    return _PIECES.findall(text.lower())


def find_word(text: str, word: str) -> tuple[int, int] | None:
    """Where a word, or several, first stands in a text as a whole, ignoring case: (start, end); ``None`` if nowhere.

    A neighbor from another script ends a word, so that ``ohwx`` is found in ``一只ohwx狐狸``. In scripts without blanks
    between words any place counts.

    Args:
        text: composed (NFC).
        word: its blanks match any white space, and none beside letters of scripts without blanks.
    """
    pattern = re.compile(_pattern(composed(word).split()), re.IGNORECASE)
    at = 0
    while pattern.pattern and (found := pattern.search(text, at)):
        start, end = found.span()
        if not _joined(text[start - 1 : start], text[start]) and not _joined(text[end - 1], text[end : end + 1]):
            return start, end
        at = start + 1
    return None


def _pattern(parts: list[str]) -> str:
    """What matches the parts of a phrase with the white space between them."""
    blanks = (r"\s*" if is_unspaced(left[-1]) or is_unspaced(right[0]) else r"\s+" for left, right in pairwise(parts))
    return "".join(re.escape(part) + blank for part, blank in zip(parts, [*blanks, ""], strict=True)) if parts else ""


def is_unspaced(character: str) -> bool:
    """Whether a character is of a script that puts no blanks between words."""
    return bool(_UNSPACED.match(character))


def composed(text: str) -> str:
    """NFC: accented letters as one character each, however they were typed."""
    return unicodedata.normalize("NFC", text)


def _joined(left: str, right: str) -> bool:
    """Whether two neighbors belong to one word; either may be missing."""
    if not (left and right and _in_words(left) and _in_words(right)):
        return False
    if _UNSPACED.match(left) or _UNSPACED.match(right):
        return False
    scripts = {_script(left), _script(right)} - {""}
    return len(scripts) < 2


def _in_words(character: str) -> bool:
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"


def _script(character: str) -> str:
    """``LATIN``, ``CYRILLIC`` and so on; empty for digits and marks, which go with any script."""
    return unicodedata.name(character, "").split(" ")[0] if character.isalpha() else ""
